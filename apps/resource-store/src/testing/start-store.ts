import 'reflect-metadata';
import { type CommitOutcome, type CommitTransition, encodeTransition, type ResourceRow } from '@drover/contracts';
import { rows } from '@drover/database';
import { connectNats, ContractServer, MessageBus } from '@drover/messaging';
import { resourceAfter } from '@drover/process-model';
import { createDatabase, startNats, type NatsServer } from '@drover/testing';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { AppModule } from '../app.module.js';
import { prepareDatabase } from '../boot.js';
import { CommitService } from '../commit/commit.service.js';
import type { StoreLog } from '../observability/store-log.js';
import type { StoreSettings } from '../settings.js';
import type { Shard } from '../shards/shard.js';

export interface TestStore extends AsyncDisposable {
  readonly app: INestMicroservice;
  readonly bus: MessageBus;
  readonly dataSource: DataSource;
  readonly databaseUrl: string;
  /** what the service logged as warnings and errors */
  readonly complaints: { fields: Record<string, unknown>; message: string }[];
  get<T>(token: new (...parameters: never[]) => T): T;
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  commit(...transitions: CommitTransition[]): Promise<CommitOutcome[]>;
  /** Commits one transition that must apply; with `returnResource`, answers the resource as an engine then knows it. */
  applied(
    transition: CommitTransition,
  ): Promise<Extract<CommitOutcome, { outcome: 'applied' }> & { resource: ResourceRow | null }>;
  /** Every row of every table, as text: two dumps are equal when nothing changed anywhere. */
  dump(): Promise<Record<string, string[]>>;
}

let shared: Promise<NatsServer> | undefined;

/** One broker per test file; it ends with the file's program. */
export const sharedNats = (): Promise<NatsServer> => (shared ??= startNats());

/** The whole application, in this program, on a database of its own (or on `databaseUrl`: a second replica). */
export async function startStore(
  options: {
    databaseUrl?: string;
    definitions?: string;
    background?: 'on' | 'off';
    nats?: { url: string };
    shard?: Shard;
  } = {},
): Promise<TestStore> {
  const database = options.databaseUrl === undefined ? await createDatabase() : null;
  const databaseUrl = options.databaseUrl ?? database!.url;
  const connection = await connectNats((options.nats ?? (await sharedNats())).url, 'test-store');
  const bus = new MessageBus(connection);
  const complaints: TestStore['complaints'] = [];
  const complain = (fields: object, message: string): void =>
    void complaints.push({ fields: fields as Record<string, unknown>, message });
  const log: StoreLog = { info: () => undefined, warn: complain, error: complain };
  const settings: StoreSettings = {
    natsUrl: '',
    adminPort: 0,
    adminHost: '',
    logLevel: 'warn',
    databaseUrl,
    definitions: options.definitions,
    poolSize: 8,
    shard: options.shard ?? { index: 0, count: 1 },
    feedRetentionDays: 7,
    historyRetentionDays: 30,
    streamReplicas: 1,
    transitionStreamMaxBytes: 64 * 1024 ** 2,
    background: options.background ?? 'off',
  };
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    AppModule.with({ settings, bus, log, metrics: new Registry() }),
    { strategy: new ContractServer(bus, { trusted: true }), logger: ['error', 'warn'], abortOnError: false },
  );
  const dataSource = app.get(DataSource);
  await prepareDatabase(app);
  await app.listen();
  const commits = app.get(CommitService);
  const sql = <Row>(text: string, values?: unknown[]): Promise<Row[]> => rows<Row>(dataSource, text, values);
  return {
    app,
    bus,
    dataSource,
    databaseUrl,
    complaints,
    get: (token) => app.get(token),
    sql,
    commit: async (...transitions) => commits.commit(transitions.map(encodeTransition)),
    applied: async (transition) => {
      const [outcome] = await commits.commit([encodeTransition(transition)]);
      if (outcome!.outcome !== 'applied') throw new Error(`not applied: ${JSON.stringify(outcome)}`);
      return { ...outcome!, resource: transition.returnResource ? resourceAfter(null, transition, outcome!) : null };
    },
    dump: async () => {
      const tables = ['resource', 'resource_data', 'process_live', 'process_finished', 'feed', 'command', 'registry'];
      const dumps = tables.map(async (table) => [
        table,
        (await sql<{ row: string }>(`select t::text as row from ${table} t order by 1`)).map(({ row }) => row),
      ]);
      return Object.fromEntries(await Promise.all(dumps)) as Record<string, string[]>;
    },
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await connection.close();
      await database?.[Symbol.asyncDispose]();
    },
  };
}

/** Two stores on one database, as replicas are. The first one ends both. */
export async function startTwoStores(): Promise<[first: TestStore, second: TestStore]> {
  const first = await startStore();
  const second = await startStore({ databaseUrl: first.databaseUrl });
  const dispose = async (): Promise<void> => {
    await second[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
  };
  return [{ ...first, [Symbol.asyncDispose]: dispose }, second];
}
