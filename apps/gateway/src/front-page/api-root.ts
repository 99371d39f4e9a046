import { Injectable } from '@nestjs/common';
import type { JsonObject } from '@drover/kernel';
import { Registry } from '../registry/registry.js';
import { collectionUrl } from '../resources/resource-json.js';

/** Collections that are no resource types. */
const OWN = [
  'definitions',
  'resourceDefinitions',
  'processDefinitions',
  'processInstances',
  'processExecutions',
  'pauses',
  'limits',
];

/** `GET /v1`: where everything is. */
@Injectable()
export class ApiRoot {
  constructor(private readonly registry: Registry) {}

  async show(base: string): Promise<JsonObject> {
    const { types } = await this.registry.snapshot();
    const own = OWN.map((name) => [name, `${base}/${name.toLowerCase()}`]);
    const plurals = types.all().map((type) => [type.plural, collectionUrl(base, type)]);
    const links = Object.fromEntries([...own, ...plurals].sort(([a], [b]) => (a! < b! ? -1 : 1)));
    return { id: 'v1', type: 'apiVersion', links: { self: base, ...links }, actions: {} };
  }
}
