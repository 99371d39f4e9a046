import { Injectable } from '@nestjs/common';
import { liftPause, listPauses, listResources, type PauseRow, readResources, setPause } from '@drover/contracts';
import { DroverError, formatId, type JsonObject, parseId } from '@drover/kernel';
import { dates, HANDLER_NAME } from '@drover/process-model';
import { Backend } from '../backend/backend.js';
import { collection, sliceOf } from '../http/collection.js';
import { refuseFilters } from '../http/filters.js';
import type { ListQuery } from '../http/list-query.js';
import { BuiltinHandlers } from '../introspection/builtin-handlers.js';
import { Registry } from '../registry/registry.js';

/** A scope as the store knows it and as clients write it: they differ in how a resource is named. */
interface Scope {
  stored: string;
  shown: string;
}

/** Pauses: set, lifted and listed. The store has the truth; what a scope names is checked here. */
@Injectable()
export class Pauses {
  constructor(
    private readonly registry: Registry,
    private readonly backend: Backend,
    private readonly engines: BuiltinHandlers,
  ) {}

  async list(query: ListQuery, base: string, self: string): Promise<JsonObject> {
    refuseFilters(query);
    const { pauses } = await this.backend.call(listPauses, { scope: null });
    const { items, nextMarker } = sliceOf(pauses, query.page.limit, query.page.marker);
    const shown = await this.shownOf(items.map(({ scope }) => scope));
    return collection(
      { data: items.map((row) => pauseJson(row, shown.get(row.scope)!, base)), nextMarker },
      { resourceType: 'pause', self, limit: query.page.limit, createTypes: { pause: `${base}/pauses` } },
    );
  }

  /** @throws DroverError NotFound: it is not set */
  async read(text: string, base: string): Promise<JsonObject> {
    const { stored, shown } = await this.scopeOf(text);
    const { pauses } = await this.backend.call(listPauses, { scope: stored });
    if (pauses[0] === undefined) throw notSet(text);
    return pauseJson(pauses[0], shown, base);
  }

  /** @throws DroverError InvalidFormat, InvalidReference: the scope names nothing */
  async set(text: string, reason: string | null, base: string): Promise<{ json: JsonObject; created: boolean }> {
    const scope = await this.scopeOf(text);
    await this.check(scope, text);
    const request = { scope: scope.stored, operator: null, reason };
    const { pause, created } = await this.backend.call(setPause, request);
    return { json: pauseJson(pause, scope.shown, base), created };
  }

  /** @throws DroverError NotFound: it is not set */
  async lift(text: string, base: string): Promise<JsonObject> {
    const { stored, shown } = await this.scopeOf(text);
    const { pause, woken } = await this.backend.callOnce(liftPause, { scope: stored });
    if (pause === null) throw notSet(text);
    return { ...pauseJson(pause, shown, base), links: {}, removed: true, woken };
  }

  /** @throws DroverError InvalidFormat */
  private async scopeOf(text: string): Promise<Scope> {
    const [kind = '', name = '', ...rest] = text.split('/');
    if (rest.length > 0) throw badScope(text);
    switch (kind.toLowerCase()) {
      case 'cluster':
        if (name !== '' || text.includes('/')) throw badScope(text);
        return { stored: 'cluster', shown: 'cluster' };
      case 'type': {
        const type = await this.registry.find(({ types }) => types.byPlural(name));
        const known = type?.name ?? name;
        return { stored: `type/${known}`, shown: `type/${known}` };
      }
      case 'handler':
        if (!HANDLER_NAME.test(name)) throw badScope(text);
        return { stored: `handler/${name}`, shown: `handler/${name}` };
      case 'resource': {
        const id = parseId(name.toLowerCase());
        if (id === null) throw badScope(text);
        return { stored: `resource/${id.number}`, shown: `resource/${name.toLowerCase()}` };
      }
      default:
        throw badScope(text);
    }
  }

  /** A pause of what is not there would hold nothing and look as if it did. @throws DroverError InvalidReference */
  private async check({ stored, shown }: Scope, text: string): Promise<void> {
    const name = stored.slice(stored.indexOf('/') + 1);
    const known = await this.isKnown(stored, name, shown);
    if (!known)
      throw new DroverError('InvalidReference', `There is no ${text.slice(0, 130).replace('/', ' ')}`, {
        fieldName: 'scope',
      });
  }

  private async isKnown(stored: string, name: string, shown: string): Promise<boolean> {
    if (stored === 'cluster') return true;
    if (stored.startsWith('type/')) return (await this.registry.snapshot()).types.byName(name) !== undefined;
    if (stored.startsWith('handler/')) return this.isHandler(name);
    return (await this.shownOf([stored])).get(stored) === shown;
  }

  /** Active or not, outside or inside the engines. */
  private async isHandler(name: string): Promise<boolean> {
    const filters = [{ field: 'name', modifier: 'eq' as const, value: name }];
    const page = { limit: 1, afterId: null, descending: false, includeRemoved: false };
    const { resources } = await this.backend.call(listResources, { type: 'externalHandler', filters, ...page });
    return resources.length > 0 || this.engines.has(name);
  }

  /** Scopes as clients write them: resources with the prefix of their type. */
  private async shownOf(scopes: string[]): Promise<Map<string, string>> {
    const ids = scopes.filter((scope) => scope.startsWith('resource/')).map((scope) => Number(scope.slice(9)));
    const { resources } = ids.length === 0 ? { resources: [] } : await this.backend.call(readResources, { ids });
    const { types } = await this.registry.snapshot();
    const shown = new Map(scopes.map((scope) => [scope, scope]));
    for (const { id, type } of resources) {
      const prefix = types.byName(type)?.idPrefix;
      if (prefix !== undefined) shown.set(`resource/${id}`, `resource/${formatId(prefix, id)}`);
    }
    return shown;
  }
}

function pauseJson(row: PauseRow & { held?: number }, scope: string, base: string): JsonObject {
  return {
    id: scope,
    type: 'pause',
    links: { self: `${base}/pauses/${scope}` },
    actions: {},
    scope,
    operator: row.operator,
    reason: row.reason,
    ...dates('since', row.since),
    ...(row.held === undefined ? {} : { held: row.held }),
  };
}

function badScope(text: string): DroverError {
  return new DroverError(
    'InvalidFormat',
    `"${text.slice(0, 130)}" is no scope: cluster, type/<name>, handler/<name> or resource/<id>`,
    { fieldName: 'scope' },
  );
}

function notSet(text: string): DroverError {
  return new DroverError('NotFound', `There is no pause of "${text.slice(0, 130)}"`);
}
