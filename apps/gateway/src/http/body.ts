import { Injectable, type PipeTransform } from '@nestjs/common';
import { DroverError, isJsonObject, type JsonObject } from '@drover/kernel';

/** A JSON object, or nothing at all. @throws DroverError InvalidBodyContent */
@Injectable()
export class ObjectBodyPipe implements PipeTransform<unknown, JsonObject> {
  transform(body: unknown): JsonObject {
    if (body === undefined || body === null) return {};
    if (!isJsonObject(body)) throw new DroverError('InvalidBodyContent', 'The body must be a JSON object');
    return body;
  }
}
