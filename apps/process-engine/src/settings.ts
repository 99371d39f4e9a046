import { engineSettings, flag, integer, list, loadConfig, type Values } from '@drover/config';
import type { IntakeSettings } from './intake/intake.js';

/** Smaller ones would be full before anybody looked. */
const LEAST_STREAM = { min: 1024 ** 2 };

const settings = {
  ...engineSettings,
  /** folders, files and packages of in-process handlers, loaded at boot: all of them, or the engine does not start */
  handlers: list('DROVER_HANDLERS'),
  /** every in-process handler runs twice, and a difference fails the attempt: for tests and CI */
  handlersCheck: flag('DROVER_HANDLERS_CHECK', false),
  /** how often removed resources are looked for that are due to be purged */
  purgeEveryMillis: integer('DROVER_PURGE_EVERY_MILLIS', { fallback: 60_000, min: 100, max: 86_400_000 }),
  /** JetStream replicas of the streams: 3 in a NATS cluster */
  streamReplicas: integer('DROVER_STREAM_REPLICAS', { fallback: 1, min: 1, max: 5 }),
  /** unread replies are kept up to this many bytes; then a handler's reply is refused, and a kit repeats it */
  replyStreamMaxBytes: integer('DROVER_REPLY_STREAM_MAX_BYTES', { fallback: 512 * 1024 ** 2, ...LEAST_STREAM }),
  /** events that wait for handlers with durable delivery are kept up to this many bytes; further ones are sent again later */
  workStreamMaxBytes: integer('DROVER_WORK_STREAM_MAX_BYTES', { fallback: 1024 ** 3, ...LEAST_STREAM }),
  /** starts that wait for room in this engine at most; more are refused */
  intakeQueue: integer('DROVER_INTAKE_QUEUE', { fallback: 8_192, min: 1, max: 1_000_000 }),
  /** a start is refused where the oldest of its account has waited for longer */
  intakeMaxWaitMillis: integer('DROVER_INTAKE_MAX_WAIT_MILLIS', { fallback: 500, min: 1, max: 60_000 }),
  /** starts before their commit and inputs of live processes that are worked on at once; further starts wait */
  intakeDriven: integer('DROVER_INTAKE_DRIVEN', { fallback: 512, min: 1, max: 100_000 }),
};

export type Settings = Values<typeof settings>;

/** How large the engine's streams may grow, and how many copies the broker keeps. */
export class StreamSettings {
  readonly streamReplicas: number;
  readonly replyStreamMaxBytes: number;
  readonly workStreamMaxBytes: number;

  constructor(of: Pick<Settings, 'streamReplicas' | 'replyStreamMaxBytes' | 'workStreamMaxBytes'>) {
    this.streamReplicas = of.streamReplicas;
    this.replyStreamMaxBytes = of.replyStreamMaxBytes;
    this.workStreamMaxBytes = of.workStreamMaxBytes;
  }
}

export const intakeSettings = (of: Settings): IntakeSettings => ({
  queueSize: of.intakeQueue,
  maxWaitMillis: of.intakeMaxWaitMillis,
  driven: of.intakeDriven,
});

/** @throws ConfigError with every problem at once */
export const loadSettings = (): Settings => loadConfig(settings);
