import { choice, integer, loadConfig, type Setting, storeSettings, type Values } from '@drover/config';
import { parseShard, type Shard } from './shards/shard.js';

const shard: Setting<Shard> = {
  variable: 'DROVER_SHARD',
  read: parseShard,
  fallback: { value: { index: 0, count: 1 } },
};

const specification = {
  ...storeSettings,
  /** Connections to PostgreSQL, three of them held by the commit lanes. */
  poolSize: integer('DROVER_STORE_POOL_SIZE', { fallback: 12, min: 6, max: 200 }),
  /** Which of how many databases this is, `k/n`: docs/architecture/scaling.md. */
  shard,
  feedRetentionDays: integer('DROVER_FEED_RETENTION_DAYS', { fallback: 7, min: 1, max: 3_650 }),
  historyRetentionDays: integer('DROVER_HISTORY_RETENTION_DAYS', { fallback: 30, min: 1, max: 3_650 }),
  /** JetStream replicas of the transition feed: 3 in a NATS cluster. */
  streamReplicas: integer('DROVER_STREAM_REPLICAS', { fallback: 1, min: 1, max: 5 }),
  /** The feed's stream is kept up to this many bytes, and 7 days; older events are read from the table. */
  transitionStreamMaxBytes: integer('DROVER_TRANSITION_STREAM_MAX_BYTES', { fallback: 2 * 1024 ** 3, min: 1024 ** 2 }),
  /** Background jobs (relay, presence, partitions) may be kept off a replica. */
  background: choice('DROVER_STORE_BACKGROUND', ['on', 'off'], 'on'),
};

export type StoreSettings = Values<typeof specification>;

/** @throws ConfigError with every problem at once */
export const loadSettings = (): StoreSettings => loadConfig(specification);

/** Nest's token for the settings. */
export const SETTINGS = Symbol('settings');
