import { Injectable } from '@nestjs/common';
import { readResources, type ResourceRow } from '@drover/contracts';
import { DroverError, parseId } from '@drover/kernel';
import type { TypeDefinition } from '@drover/process-model';
import { Backend } from '../backend/backend.js';
import { Registry } from '../registry/registry.js';

/** What `/v1/<plural>/<id>` names, before anyone looked whether it exists. */
export interface ResourceRef {
  type: TypeDefinition;
  number: number;
  /** as the client wrote it, for messages */
  id: string;
}

/** Turns paths into resources. */
@Injectable()
export class ResourcePaths {
  constructor(
    private readonly registry: Registry,
    private readonly backend: Backend,
  ) {}

  /** @throws DroverError TypeUnknown, NotFound (no id of this type) */
  async refOf(plural: string, id: string): Promise<ResourceRef> {
    const type = await this.registry.typeOfPath(plural);
    const parsed = parseId(id.toLowerCase());
    if (parsed === null || parsed.prefix !== type.idPrefix) throw missing({ type, id });
    return { type, number: parsed.number, id };
  }

  /** @throws DroverError NotFound also when the number belongs to a resource of another type */
  async rowOf(ref: ResourceRef): Promise<ResourceRow> {
    const { resources } = await this.backend.call(readResources, { ids: [ref.number] });
    const row = resources[0];
    if (row === undefined || row.type !== ref.type.name) throw missing(ref);
    return row;
  }
}

/** What is answered for an id that no resource of this type has. */
export function missing(ref: { type: TypeDefinition; id: string }): DroverError {
  return new DroverError('NotFound', `There is no ${ref.type.name} with the id "${ref.id.slice(0, 100)}"`);
}
