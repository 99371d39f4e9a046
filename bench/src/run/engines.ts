import {
  applyDefinition,
  createResource,
  listProcesses,
  type ProcessEnded,
  startProcess,
  SUBJECTS,
} from '@drover/contracts';
import { DroverError, type ErrorBody, formatId, type JsonObject, uuidv7 } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { Msg, NatsConnection } from 'nats';
import { Pool } from 'undici';
import type { RunOne } from './load.js';
import { BENCH_PREFIX, BENCH_TYPE, HANDLER_READY, handlerNames, LIMIT } from './shape.js';

/** A start without an end after this time is an error, milliseconds. */
const LOST_MILLIS = 30_000;

/** Sockets to the gateway; requests beyond wait for a free one, and that time is in their latency. */
const MAX_CONNECTIONS = 1_024;

export interface Measured {
  runOne: RunOne;
  resources: number[];
  /** lets go of what runOne holds of its own */
  close: () => Promise<void>;
}

/** The limit engine made its resources at boot: numbers from 1. It answers once, at the end. */
export function limitEngine(connection: NatsConnection, count: number): Measured {
  return {
    resources: Array.from({ length: count }, (_, i) => i + 1),
    close: async () => undefined,
    runOne: async (resourceId) => {
      const body = JSON.stringify({ process: 'benchthing.run', resourceId, data: { note: 'bench' } });
      const reply = await connection.request(LIMIT.start, body, { timeout: LOST_MILLIS });
      const { error } = reply.json<{ error?: string }>();
      if (error !== undefined) throw new Error(error);
    },
  };
}

export interface DroverOptions {
  /** resources that processes run on; 0: only what is declared and registered is prepared */
  count: number;
  /** external handlers of the process, one after the other */
  handlers: number;
  /** a fault is coming: a start is repeated until it is answered, and an end that is not heard is looked up */
  faults: boolean;
  /** resources that a fill left, numbered from 1: the run takes its own evenly from all of them; 0: it creates them */
  filled: number;
  /** of the gateways; absent: processes are started over NATS */
  httpUrls?: readonly string[];
  /** whose starts they are, over NATS; absent: nobody's */
  account?: number;
}

/** The handler's program was just started. @throws when it does not answer for ten seconds */
export async function untilHandlerListens(connection: NatsConnection): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await connection.request(HANDLER_READY, '', { timeout: 500 });
      return;
    } catch (error) {
      if (tries >= 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Drover: the type is declared, the handlers registered and the resources created through the front door. */
export async function drover(connection: NatsConnection, options: DroverOptions): Promise<Measured> {
  const { count, filled, httpUrls = [] } = options;
  const bus = new MessageBus(connection);
  const ends = new Ends(connection);
  const patience = AbortSignal.timeout(60_000);
  await bus
    .requestUntilAnswered(applyDefinition, { document: BENCH_TYPE, mode: 'create', name: null }, patience)
    .catch((error: unknown) => {
      if (!(error instanceof DroverError && error.code === 'NotUnique')) throw error;
    });

  /** Creates a resource and waits until its create process has ended. */
  const create = async (type: string, body: JsonObject): Promise<number> => {
    const end = ends.expect();
    const { resource } = await bus
      .requestUntilAnswered(
        createResource,
        { commandId: null, commandHash: null, notify: end.subject, type, body, accountId: null },
        patience,
      )
      .catch((error: unknown) => {
        end.forget();
        throw error;
      });
    const { exitReason } = await end.heard;
    if (exitReason !== 'DONE') throw new Error(`create of ${type} ended ${exitReason}`);
    return resource.id;
  };

  // What the gateway does with a registration; it need not run here.
  for (const name of handlerNames(options.handlers))
    await create('externalHandler', { name, uuid: name, processConfigs: [{ name: 'benchthing.run' }] }).catch(
      (error: unknown) => {
        // A kept database has them already.
        if (!(error instanceof DroverError && error.code === 'NotUnique')) throw error;
      },
    );

  const resources =
    filled > 0 ? Array.from({ length: Math.min(count, filled) }, (_, i) => 1 + Math.floor((i * filled) / count)) : [];
  const creating = async (): Promise<void> => {
    for (let left = count - resources.length; left > 0; left = count - resources.length) {
      const slot = resources.push(0) - 1;
      resources[slot] = await create('benchThing', {});
    }
  };
  if (filled === 0) await Promise.all(Array.from({ length: 64 }, creating));
  const client =
    httpUrls.length === 0 ? { runOne: overNats(bus, ends, options), close: async () => undefined } : overHttp(httpUrls);
  if (resources.length > 0) await untilItRuns(client.runOne, resources[0]!);
  return { resources, ...client };
}

/** The services hear of a new type and of its handlers a moment after the store has them. */
async function untilItRuns(runOne: RunOne, resource: number): Promise<void> {
  for (const deadline = performance.now() + 30_000; ;) {
    try {
      return await runOne(resource, () => undefined);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function overNats(bus: MessageBus, ends: Ends, { faults, account }: DroverOptions): RunOne {
  return async (resourceId, accepted) => {
    const end = ends.expect();
    const start = {
      commandId: faults ? uuidv7() : null,
      commandHash: null,
      notify: end.subject,
      account: account ?? null,
      process: 'benchthing.run',
      resourceId,
      data: { note: 'bench' },
    };
    if (faults) {
      try {
        const { processId } = await bus.requestUntilAnswered(startProcess, start, AbortSignal.timeout(LOST_MILLIS));
        accepted();
        return await endOf(bus, processId!, end);
      } catch (error) {
        end.forget();
        throw error instanceof DroverError ? new Error(`${error.code}: start`, { cause: error }) : error;
      }
    }
    const atEnd = JSON.stringify({ ...start, answer: 'atEnd' });
    bus.connection.publish(startProcess.subject, atEnd, { reply: end.subject });
    const { exitReason } = await end.heard;
    if (exitReason !== 'DONE') throw new Error(`ended ${exitReason}`);
  };
}

/** Starts through the gateway: one request each, answered when the process has ended, on connections that are kept alive. */
function gatewayAt(url: string, connections: number) {
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    headersTimeout: LOST_MILLIS,
    bodyTimeout: LOST_MILLIS,
    keepAliveTimeout: 60_000,
  });
  const headers = { 'content-type': 'application/json', prefer: `wait=${LOST_MILLIS / 1_000}` };
  const body = JSON.stringify({ note: 'bench' });
  return {
    start: async (resourceId: number) => {
      const path = `/v1/benchthings/${formatId(BENCH_PREFIX, resourceId)}?action=run`;
      const response = await pool.request({ method: 'POST', path, headers, body });
      const answer = (await response.body.json()) as { state?: string; code?: string };
      return { status: response.statusCode, answer };
    },
    close: () => pool.close(),
  };
}

function overHttp(urls: readonly string[]): Pick<Measured, 'runOne' | 'close'> {
  const gateways = urls.map((url) => gatewayAt(url, MAX_CONNECTIONS));
  let last = 0;
  const runOne: RunOne = async (resourceId) => {
    const { status, answer } = await gateways[last++ % gateways.length]!.start(resourceId);
    if (status !== 202) throw new Error(`${status} ${answer.code ?? ''}: start`);
    if (answer.state !== 'idle') throw new Error(`still ${answer.state} after the wait`);
  };
  return { runOne, close: async () => void (await Promise.all(gateways.map(({ close }) => close()))) };
}

/** As a gateway waits: the message of the end is safe to lose, the store knows. */
async function endOf(bus: MessageBus, processId: number, end: ReturnType<Ends['expect']>): Promise<void> {
  const asked = { ids: [processId], resourceId: null, filters: [], limit: 1, beforeId: null };
  for (;;) {
    const heard = await Promise.race([end.heard, new Promise<null>((resolve) => setTimeout(resolve, 250, null))]);
    if (heard !== null) return;
    const [process] = (await bus.request(listProcesses, asked)).processes;
    if (process?.live === false) return end.forget();
  }
}

/** Hears the ends of processes on one subscription; each waits under a number of its own. */
class Ends {
  private readonly client = `bench${process.pid}`;
  private readonly waiting = new Map<string, (answer: Msg) => void>();
  private last = 0;

  constructor(connection: NatsConnection) {
    const prefix = SUBJECTS.notify(this.client, '');
    connection.subscribe(SUBJECTS.notify(this.client, '*'), {
      callback: (_error, message) => {
        const call = message.subject.slice(prefix.length);
        this.waiting.get(call)?.(message);
        this.waiting.delete(call);
      },
    });
  }

  /** A subject to name in a command, before it is sent: the end may come before the command's answer. */
  expect(): { subject: string; heard: Promise<ProcessEnded>; forget: () => void } {
    const call = String(++this.last);
    const { client, waiting } = this;
    let timer: NodeJS.Timeout;
    const heard = new Promise<ProcessEnded>((resolve, reject) => {
      timer = setTimeout(() => {
        waiting.delete(call);
        reject(new Error('no end heard'));
      }, LOST_MILLIS);
      waiting.set(call, (message) => {
        clearTimeout(timer);
        // Of a command that is answered at its end: what refused it.
        if (message.headers === undefined) resolve(message.json());
        else if (message.data.length === 0) reject(new Error(`${message.headers.status}: start`));
        else reject(new Error(`${message.json<ErrorBody>().code}: start`));
      });
    });
    const forget = (): void => {
      clearTimeout(timer);
      waiting.delete(call);
    };
    return { subject: SUBJECTS.notify(client, call), heard, forget };
  }
}
