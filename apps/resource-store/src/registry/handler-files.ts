import { type CommitTransition, encodeTransition } from '@drover/contracts';
import { oneRow, rows } from '@drover/database';
import { canonicalJson, type Json, type JsonObject } from '@drover/kernel';
import type { HandlerRegistration } from '@drover/process-model';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { createHash } from 'node:crypto';
import { DataSource } from 'typeorm';
import { CommitService } from '../commit/commit.service.js';
import { StoreLog } from '../observability/store-log.js';
import { READ_FILES, WRITE_HANDLER_FILE } from '../sql/registry.sql.js';

/** Name of the operator's folder among what was applied. Written when all of it is, and gone as soon as it may have to be applied again. */
export const OWN_FOLDER = 'folder/own';

/** Decided by the store itself: never stale. */
const NEVER_STALE = Number.MAX_SAFE_INTEGER;

/**
 * Handlers that definition documents register: external handler resources, active at once. A registration that is unchanged since it
 * was last applied leaves alone what operators did to the handler meanwhile.
 */
@Injectable()
export class HandlerFiles {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly commits: CommitService,
    private readonly log: StoreLog,
  ) {}

  /** @returns were all of them registered? What was not is logged */
  async register(registrations: HandlerRegistration[]): Promise<boolean> {
    if (registrations.length === 0) return true;
    const applied = new Map(
      (await rows<{ name: string; hash: string }>(this.dataSource, READ_FILES)).map(({ name, hash }) => [name, hash]),
    );
    let all = true;
    for (const registration of registrations) {
      const key = `handler/${registration.name}`;
      const hash = createHash('sha256').update(canonicalJson(registration)).digest('hex');
      if (applied.get(key) === hash) continue;
      if (await this.registerOne(registration))
        await rows(this.dataSource, WRITE_HANDLER_FILE, [key, hash, OWN_FOLDER]);
      else all = false;
    }
    return all;
  }

  private async registerOne(registration: HandlerRegistration): Promise<boolean> {
    const uuid = registration.uuid ?? `definition-file/${registration.name}`;
    const present = await oneRow<{ id: number; state: string }>(
      this.dataSource,
      'select r.id, r.state from resource_data d join resource r on r.id = d.id where d.uuid = $1',
      [uuid],
    );
    const transition = present === undefined ? inserted(registration, uuid) : updated(registration, present.id);
    const [outcome] = await this.commits.commit([encodeTransition(transition)]);
    if (outcome!.outcome === 'applied') return true;
    const { name } = registration;
    this.log.error({ handler: name, outcome }, 'a handler of a definition file was not registered');
    return false;
  }
}

const BASE = {
  commandId: null,
  commandHash: null,
  registryRevision: NEVER_STALE,
  stateField: 'state',
  expectType: null,
  expectRevision: null,
  expectStates: null,
  processId: null,
  processVersion: null,
  expectPassed: null,
  update: null,
  end: null,
  start: null,
  wakeParent: null,
  returnResource: false,
} as const satisfies Partial<CommitTransition>;

function inserted(registration: HandlerRegistration, uuid: string): CommitTransition {
  return {
    ...BASE,
    insert: {
      type: 'externalHandler',
      kind: 'externalHandler',
      uuid,
      name: registration.name,
      description: registration.description ?? null,
      data: fieldsOf(registration),
      accountId: null,
      regions: {},
    },
    resourceId: null,
    change: { ...CHANGE, toState: 'active', feedKind: 'done', data: null },
  };
}

/** New fields; whether the handler is active stays what its operators made of it. */
function updated(registration: HandlerRegistration, resourceId: number): CommitTransition {
  const data = fieldsOf(registration);
  const { name, description = null } = registration;
  return {
    ...BASE,
    insert: null,
    resourceId,
    change: { ...CHANGE, toState: null, feedKind: 'changed', data, name, description },
  };
}

const CHANGE = { process: null, transitioning: 'no', message: null, progress: null } as const;

function fieldsOf(registration: HandlerRegistration): JsonObject {
  return {
    priority: registration.priority ?? 1000,
    retries: registration.retries ?? null,
    timeoutMillis: registration.timeoutMillis ?? null,
    heartbeatMillis: registration.heartbeatMillis ?? null,
    totalMillis: registration.totalMillis ?? null,
    retry: (registration.retry ?? null) as Json,
    delivery: registration.delivery ?? 'core',
    maxInFlight: registration.maxInFlight ?? null,
    circuitBreaker: registration.circuitBreaker ?? null,
    processConfigs: (registration.processConfigs ?? null) as Json,
    processNames: registration.processNames ?? null,
    data: registration.data ?? {},
  };
}
