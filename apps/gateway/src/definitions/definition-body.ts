import { Injectable, type PipeTransform } from '@nestjs/common';
import { DroverError, isJsonObject, type JsonObject } from '@drover/kernel';
import { parseDocuments } from '@drover/process-model';
import { DefinitionText } from '../http/body-parsers.js';
import { FormBody } from '../http/form.js';

/** The one definition document of a request body, JSON or YAML; its shape is checked here, its soundness by the store. */
@Injectable()
export class DefinitionBodyPipe implements PipeTransform<unknown, JsonObject> {
  /** @throws DroverError UnsupportedMediaType, InvalidBodyContent, InvalidDefinition with all problems in `detail` */
  transform(body: unknown): JsonObject {
    if (body instanceof FormBody)
      throw new DroverError('UnsupportedMediaType', 'A definition is application/json or application/yaml');
    if (!(body instanceof DefinitionText) || body.text.trim() === '')
      throw new DroverError(
        'InvalidBodyContent',
        'The body must be a definition, as application/json or application/yaml',
      );
    const documents = parseDocuments(body.text, { format: body.format, file: 'the body' });
    const [document] = documents;
    if (document === undefined || documents.length > 1)
      throw new DroverError(
        'InvalidDefinition',
        `The body holds ${documents.length} documents; send one definition at a time`,
      );
    if (document.kind !== 'ResourceType' || !isJsonObject(document))
      throw new DroverError(
        'InvalidDefinition',
        'Definitions are of kind ResourceType; register handlers at /v1/externalhandlers',
      );
    return document;
  }
}
