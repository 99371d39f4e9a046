import {
  compileType,
  type HandlerBinding,
  parseDocuments,
  parseProcessNames,
  type ResourceTypeDocument,
  type TypeDefinition,
} from '@drover/process-model';

const RUN =
  'timeoutMillis: 8000, waitMillis: 20000, retry: { maxAttempts: 3, initialMillis: 200, maxMillis: 2000, jitter: 0.2 }';

const LIFE = `totalMillis: 5000, ${RUN}`;

/** A type with all that a definition can ask for: delegates, chains, onError, both sorts of pre-emption, maps of states, a second region. */
const MACHINE = `
apiVersion: drover/v1
kind: ResourceType
name: machine
fields: { tags: { type: map, update: true }, size: { type: int, min: 1, update: true } }
stateFields: { disk: { initial: detached } }
purgeAfterMillis: 4000
defaultProcesses: false
final: [failed]
processes:
  create: { start: [requested], transitioning: creating, done: stopped, delegate: start, ${RUN} }
  start: { start: [stopped, creating], transitioning: starting, done: running, onError: fail, onCancel: stopped, ${RUN} }
  stop: { start: [running, starting, updating-running], transitioning: stopping, done: stopped, ${LIFE} }
  kill: { start: [running, starting, stopping], transitioning: killing, done: stopped, preempt: immediate, ${LIFE} }
  update:
    start: [stopped, running]
    transitioning: { stopped: updating-stopped, running: updating-running }
    done: { updating-stopped: stopped, updating-running: running }
    timeoutMillis: 8000
    retry: { maxAttempts: 3, initialMillis: 200, maxMillis: 2000, jitter: 0.2 }
  boot: { start: [stopped], transitioning: booting, done: booted, delegate: { to: warm, always: true }, ${LIFE} }
  warm: { start: [booted], transitioning: warming, done: running, ${LIFE} }
  hurry: { start: [running], transitioning: hurrying, done: running, totalMillis: 8000, onError: calm, priority: 9, ${RUN} }
  calm: { start: [hurrying, dialing, running], transitioning: calming, done: stopped, onError: hurry, ${RUN} }
  fail: { start: [starting, stopped, creating], transitioning: failing, done: failed, ${RUN} }
  reset: { start: [failed], transitioning: resetting, done: stopped, ${LIFE} }
  remove: { start: [requested, stopped, failed, stopping, updating-stopped], transitioning: removing, done: removed, ${RUN} }
  purge: { start: [removed], transitioning: purging, done: purged, ${RUN} }
  bake: { start: [running], transitioning: baking, done: running, totalMillis: 6000, heartbeatMillis: 1200, ${RUN} }
  dial: { start: [running, baking], transitioning: dialing, done: running, onError: calm, onCancel: running, ${RUN} }
  attach: { stateField: disk, start: [detached], transitioning: attaching, done: attached, ${LIFE} }
  detach: { stateField: disk, start: [attached, attaching], transitioning: detaching, done: detached, ${LIFE} }
`;

/** Nothing but the processes that every type has. */
const NOTE = `
apiVersion: drover/v1
kind: ResourceType
name: note
purgeAfterMillis: 2500
`;

/** No removed resource waits longer for its purge: a world lasts minutes. */
const MAX_PURGE_AFTER_MILLIS = 6_000;

/**
 * The types of the simulated world.
 * @param documents further types as YAML, one document each
 */
export function typesOf(documents: readonly string[] = []): TypeDefinition[] {
  return [MACHINE, NOTE, ...documents].flatMap((text) =>
    parseDocuments(text, { format: 'yaml' }).map((document) => {
      const type = compileType(document as ResourceTypeDocument, { version: 1, system: false });
      const { purgeAfterMillis } = type;
      if (purgeAfterMillis !== null) type.purgeAfterMillis = Math.min(purgeAfterMillis, MAX_PURGE_AFTER_MILLIS);
      return type;
    }),
  );
}

function handler(name: string, kind: HandlerBinding['kind'], processes: string, more: Partial<HandlerBinding> = {}) {
  return {
    name,
    kind,
    priority: 1_000,
    processes: parseProcessNames(processes).map((process) => ({ ...process, onError: null })),
    retries: null,
    timeoutMillis: 8_000,
    delivery: 'core',
    limits: null,
    ...more,
  } satisfies HandlerBinding;
}

/** External handlers; which of them are registered at first, and which come and go, is drawn by the seed. */
export const EXTERNAL: readonly HandlerBinding[] = [
  handler('driver', 'external', 'machine.*,instance.*,volume.activate,volume.deactivate'),
  handler('maker', 'external', '*.create,post.machine.start', { priority: 1_500, retries: 2, timeoutMillis: 12_000 }),
  handler('net', 'external', 'pre.instance.start,machine.attach,machine.boot,instance.allocate', {
    timeoutMillis: 6_000,
  }),
  // Four with bounds: of time, of attempts at once, of failures; and two whose programs may be offline.
  handler('baker', 'external', 'machine.bake,machine.start,machine.update,instance.create,volume.activate', {
    heartbeatMillis: 1_000,
    totalMillis: 4_000,
    timeoutMillis: 6_500,
  }),
  handler('disk', 'external', '*.update,machine.attach,machine.stop,volume.create', {
    limits: { maxInFlight: 2, circuitBreaker: null },
  }),
  handler('phone', 'external', 'machine.dial,machine.create,volume.create,note.*', {
    timeoutMillis: 3_000,
    limits: { maxInFlight: null, circuitBreaker: { failures: 2, openMillis: 3_000 } },
  }),
  handler('post', 'external', 'machine.dial,machine.reset,instance.create,note.create', {
    delivery: 'durable',
    timeoutMillis: 6_000,
  }),
  handler('ferry', 'external', 'machine.bake,machine.boot,volume.update,nic.*', {
    delivery: 'durable',
    heartbeatMillis: 2_000,
    totalMillis: 14_000,
    limits: { maxInFlight: 1, circuitBreaker: { failures: 4, openMillis: 2_000 } },
  }),
  handler('strict', 'external', 'machine.start,instance.start,volume.remove', {
    priority: 500,
    processes: parseProcessNames('machine.start,instance.start,volume.remove').map((process) => ({
      ...process,
      onError: 'machine.fail',
    })),
  }),
];

/** Handlers that run in the engines; all engines have the same. */
export const IN_PROCESS: readonly HandlerBinding[] = [
  handler('audit', 'builtin', 'pre.*.start,pre.*.stop,*.update', { timeoutMillis: 5_000 }),
  handler('count', 'builtin', 'machine.stop,machine.calm,post.*.remove,machine.detach', { priority: 2_000 }),
];
