import { Injectable, type PipeTransform } from '@nestjs/common';
import { DroverError, isJsonObject, type JsonObject } from '@drover/kernel';
import { FormBody, type RequestBody } from './form.js';

/** A JSON object, a form, or nothing at all. @throws DroverError InvalidBodyContent */
@Injectable()
export class BodyPipe implements PipeTransform<unknown, RequestBody> {
  transform(body: unknown): RequestBody {
    if (body === undefined || body === null) return {};
    if (body instanceof FormBody) return body;
    if (!isJsonObject(body)) throw new DroverError('InvalidBodyContent', 'The body must be a JSON object');
    return body;
  }
}

/** As {@link BodyPipe}; the fields of a form are taken as the text they are. */
@Injectable()
export class ObjectBodyPipe implements PipeTransform<unknown, JsonObject> {
  private readonly bodies = new BodyPipe();

  transform(body: unknown): JsonObject {
    const read = this.bodies.transform(body);
    return read instanceof FormBody ? read.fields : read;
  }
}
