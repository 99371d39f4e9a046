import { Injectable } from '@nestjs/common';
import { type LimitRow, listLimits, removeLimit, setLimit } from '@drover/contracts';
import { DroverError, formatId, type JsonObject, parseId } from '@drover/kernel';
import { Backend } from '../backend/backend.js';
import { collection, sliceOf } from '../http/collection.js';
import { refuseFilters } from '../http/filters.js';
import type { ListQuery } from '../http/list-query.js';
import { Registry } from '../registry/registry.js';
import type { LimitBody } from './limit-body.js';

type Row = LimitRow & { running?: number; held?: number };

/** Limits of concurrency: set, removed and listed. The store has the truth; what a scope names is checked here. */
@Injectable()
export class Limits {
  constructor(
    private readonly registry: Registry,
    private readonly backend: Backend,
  ) {}

  async list(query: ListQuery, base: string, self: string): Promise<JsonObject> {
    refuseFilters(query);
    const { limits } = await this.backend.call(listLimits, { scope: null });
    const { items, nextMarker } = sliceOf(limits, query.page.limit, query.page.marker);
    return collection(
      { data: items.map((row) => limitJson(row, base)), nextMarker },
      { resourceType: 'limit', self, limit: query.page.limit, createTypes: { limit: `${base}/limits` } },
    );
  }

  /** @throws DroverError NotFound: it is not set */
  async read(text: string, base: string): Promise<JsonObject> {
    const { limits } = await this.backend.call(listLimits, { scope: await this.scopeOf(text) });
    if (limits[0] === undefined) throw notSet(text);
    return limitJson(limits[0], base);
  }

  /** @throws DroverError InvalidFormat, InvalidReference: the scope names nothing; InvalidField: only accounts have a weight */
  async set(body: LimitBody, base: string): Promise<{ json: JsonObject; created: boolean }> {
    const scope = await this.scopeOf(body.scope, true);
    const weight = body.weight ?? 1;
    if (weight !== 1 && !scope.startsWith('account/'))
      throw new DroverError('InvalidField', 'Only accounts take turns, and have a weight', { fieldName: 'weight' });
    const request = { scope, maxConcurrent: body.maxConcurrent ?? null, weight };
    const { limit, created } = await this.backend.call(setLimit, request);
    return { json: limitJson(limit, base), created };
  }

  /** @throws DroverError NotFound: it is not set */
  async remove(text: string, base: string): Promise<JsonObject> {
    const { limit } = await this.backend.callOnce(removeLimit, { scope: await this.scopeOf(text) });
    if (limit === null) throw notSet(text);
    return { ...limitJson(limit, base), links: {}, removed: true };
  }

  /**
   * A scope as the store knows it.
   * @param exists what it names must be there: a limit of something else would look as if it held
   * @throws DroverError InvalidFormat, InvalidReference
   */
  private async scopeOf(text: string, exists = false): Promise<string> {
    const [kind = '', name = '', ...rest] = text.split('/');
    if (rest.length > 0 || name === '') throw badScope(text);
    switch (kind.toLowerCase()) {
      case 'account': {
        const id = parseId(name.toLowerCase());
        if (id?.prefix !== 'a') throw badScope(text);
        return `account/${id.number}`;
      }
      case 'type': {
        const type = await this.registry.find(({ types }) => types.byPlural(name));
        if (exists && type === undefined) throw unknown(text);
        return `type/${type?.name ?? name}`;
      }
      case 'process': {
        const process = await this.registry.find(({ types }) => types.process(name));
        if (exists && process === undefined) throw unknown(text);
        return `process/${process?.name ?? name.toLowerCase()}`;
      }
      default:
        throw badScope(text);
    }
  }
}

function limitJson(row: Row, base: string): JsonObject {
  const [kind, name] = row.scope.split('/', 2);
  const scope = kind === 'account' ? `account/${formatId('a', Number(name))}` : row.scope;
  return {
    id: scope,
    type: 'limit',
    links: { self: `${base}/limits/${scope}` },
    actions: {},
    scope,
    maxConcurrent: row.maxConcurrent,
    weight: row.weight,
    ...(row.running === undefined ? {} : { running: row.running, held: row.held ?? 0 }),
  };
}

function badScope(text: string): DroverError {
  return new DroverError(
    'InvalidFormat',
    `"${text.slice(0, 130)}" is no scope: account/<id>, type/<name> or process/<name>`,
    { fieldName: 'scope' },
  );
}

function unknown(text: string): DroverError {
  return new DroverError('InvalidReference', `There is no ${text.slice(0, 130).replace('/', ' ')}`, {
    fieldName: 'scope',
  });
}

function notSet(text: string): DroverError {
  return new DroverError('NotFound', `There is no limit of "${text.slice(0, 130)}"`);
}
