import type { FeedKind, ResourceRow, TransitionEvent } from '@drover/contracts';
import { oneRow, type Run, rows } from '@drover/database';
import { formatId, type JsonObject, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import { externalResource, type TypeDefinition } from '@drover/process-model';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { fitting } from '../query/fitting.js';
import { RegistryService } from '../registry/registry.service.js';
import { READ_RELAY, RELAY_FEED, RELAY_RESOURCES } from '../sql/feed.sql.js';

export interface FeedRow {
  /** the feed's sequence */
  id: number;
  resourceId: number;
  processId: number | null;
  time: number;
  revision: number;
  kind: FeedKind;
  process: string | null;
  stateField: string;
  fromState: string;
  toState: string;
}

/** An event of the feed; its resource apart, since events of one resource share it. */
export interface FeedEvent {
  kind: FeedKind;
  facts: Omit<TransitionEvent, 'resource'>;
  resource: JsonObject;
}

/** Rows per read of the table. */
const MAX_ROWS = 1_000;

/** Reads the feed from its table and makes events of its rows. */
@Injectable()
export class FeedReader {
  private readonly unknown = new Map<string, TypeDefinition>();
  private readonly pooled: Run = (statement, values) => rows(this.dataSource, statement.text, values);

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registry: RegistryService,
  ) {}

  /**
   * Rows with `after < id <= upTo`, in order.
   * @param run the relay's connection, for its own passes
   */
  rows(after: number, upTo: number, limit: number = MAX_ROWS, run = this.pooled): Promise<FeedRow[]> {
    return run<FeedRow>(RELAY_FEED, [after, upTo, Math.min(limit, MAX_ROWS)]);
  }

  /**
   * The rows as events. The resource is read now and may be newer than the row; one read for all rows of one resource.
   * @param previous sequence of the row before the first
   * @param run the relay's connection, for its own passes
   */
  async events(feed: FeedRow[], previous: number, run = this.pooled): Promise<FeedEvent[]> {
    const types = await this.registry.types();
    const ids = [...new Set(feed.map(({ resourceId }) => resourceId))];
    const present = ids.length === 0 ? [] : await run<ResourceRow>(RELAY_RESOURCES, [ids]);
    const shown = new Map(
      present.map((row) => {
        const type = types.byName(row.type) ?? this.stub(row.type);
        return [row.id, { row, id: formatId(type.idPrefix, row.id), resource: externalResource(row, type) }];
      }),
    );
    // A resource whose row is gone (only a hand in the database deletes one that has feed rows) must not stop the feed.
    const left = shown.size === ids.length ? feed : feed.filter((row) => shown.has(row.resourceId));
    return left.map((row, i) => {
      const { row: now, id, resource } = shown.get(row.resourceId)!;
      const facts = {
        sequence: row.id,
        previousSequence: left[i - 1]?.id ?? previous,
        resourceType: now.type,
        resourceId: id,
        process: row.process,
        processId: row.processId === null ? null : formatId(PROCESS_INSTANCE_PREFIX, row.processId),
        from: row.fromState,
        to: row.toState,
        stateField: row.stateField,
        revision: row.revision,
        time: row.time,
        accountId: now.accountId === null ? null : formatId('a', now.accountId),
      };
      return { kind: row.kind, facts, resource };
    });
  }

  /** For a reader whose place the stream no longer has: never further than what is published. */
  async after(
    after: number,
    limit: number,
  ): Promise<{ events: TransitionEvent[]; more: boolean; gone: boolean; published: number }> {
    const { published, trimmed } = (await oneRow<{ published: number; trimmed: number }>(this.dataSource, READ_RELAY))!;
    if (after < trimmed) return { events: [], more: false, gone: true, published };
    const size = Math.min(Math.max(1, limit), MAX_ROWS - 1);
    const found = await this.rows(after, published, size + 1);
    const events = await this.events(found.slice(0, size), after);
    const { kept, cut } = fitting(events.map(({ facts, resource }) => ({ ...facts, resource })));
    return { events: kept, more: cut.length > 0 || found.length > size, gone: false, published };
  }

  /** A type whose definition was deleted is shown without its fields. */
  private stub(type: string): TypeDefinition {
    let stub = this.unknown.get(type);
    if (stub === undefined) this.unknown.set(type, (stub = RegistryService.unknownType(type)));
    return stub;
  }
}
