import {
  applyDefinition,
  createResource,
  listProcesses,
  type ProcessEnded,
  startProcess,
  SUBJECTS,
} from '@drover/contracts';
import { DroverError, type JsonObject, uuidv7 } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { NatsConnection } from 'nats';
import type { RunOne } from './load.js';
import { BENCH_TYPE, handlerNames, LIMIT } from './shape.js';

/** A start without an end after this time is an error, milliseconds. */
const LOST_MILLIS = 30_000;

export interface Measured {
  runOne: RunOne;
  resources: number[];
}

/** The limit engine made its resources at boot: numbers from 1. It answers once, at the end. */
export function limitEngine(connection: NatsConnection, count: number): Measured {
  return {
    resources: Array.from({ length: count }, (_, i) => i + 1),
    runOne: async (resourceId) => {
      const body = JSON.stringify({ process: 'benchthing.run', resourceId, data: { note: 'bench' } });
      const reply = await connection.request(LIMIT.start, body, { timeout: LOST_MILLIS });
      const { error } = reply.json<{ error?: string }>();
      if (error !== undefined) throw new Error(error);
    },
  };
}

/** Drover: the type is declared, the handlers registered and the resources created through the front door. */
export async function drover(
  connection: NatsConnection,
  count: number,
  handlers: number,
  faults: boolean,
): Promise<Measured> {
  const bus = new MessageBus(connection);
  const ends = new Ends(connection);
  const patience = AbortSignal.timeout(30_000);
  await bus
    .requestUntilAnswered(applyDefinition, { document: BENCH_TYPE, mode: 'create', name: null }, patience)
    .catch((error: unknown) => {
      if (!(error instanceof DroverError && error.code === 'NotUnique')) throw error;
    });

  /** Creates a resource and waits until its create process has ended. */
  const create = async (type: string, body: JsonObject): Promise<number> => {
    const end = ends.expect();
    const { resource } = await bus.requestUntilAnswered(
      createResource,
      { commandId: null, commandHash: null, notify: end.subject, type, body, accountId: null },
      patience,
    );
    const { exitReason } = await end.heard;
    if (exitReason !== 'DONE') throw new Error(`create of ${type} ended ${exitReason}`);
    return resource.id;
  };

  // What the gateway does with a registration; no gateway runs here.
  for (const name of handlerNames(handlers))
    await create('externalHandler', { name, uuid: name, processConfigs: [{ name: 'benchthing.run' }] });

  const resources: number[] = [];
  const creating = async (): Promise<void> => {
    for (let left = count - resources.length; left > 0; left = count - resources.length) {
      const slot = resources.push(0) - 1;
      resources[slot] = await create('benchThing', {});
    }
  };
  await Promise.all(Array.from({ length: 64 }, creating));

  return {
    resources,
    runOne: async (resourceId, accepted) => {
      const end = ends.expect();
      const start = {
        commandId: faults ? uuidv7() : null,
        commandHash: null,
        notify: end.subject,
        process: 'benchthing.run',
        resourceId,
        data: { note: 'bench' },
      };
      try {
        if (!faults) await bus.request(startProcess, start);
        else {
          const { processId } = await bus.requestUntilAnswered(startProcess, start, AbortSignal.timeout(LOST_MILLIS));
          accepted();
          return await endOf(bus, processId!, end);
        }
      } catch (error) {
        end.forget();
        throw error instanceof DroverError ? new Error(`${error.code}: start`, { cause: error }) : error;
      }
      const { exitReason } = await end.heard;
      if (exitReason !== 'DONE') throw new Error(`ended ${exitReason}`);
    },
  };
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
  private readonly waiting = new Map<string, (end: ProcessEnded) => void>();
  private last = 0;

  constructor(connection: NatsConnection) {
    const prefix = SUBJECTS.notify(this.client, '');
    connection.subscribe(SUBJECTS.notify(this.client, '*'), {
      callback: (_error, message) => {
        const call = message.subject.slice(prefix.length);
        this.waiting.get(call)?.(message.json<ProcessEnded>());
        this.waiting.delete(call);
      },
    });
  }

  /** A subject to name in a command, before it is sent: the end may come before the command's answer. */
  expect(): { subject: string; heard: Promise<ProcessEnded>; forget: () => void } {
    const call = String(++this.last);
    const { client, waiting } = this;
    return {
      subject: SUBJECTS.notify(client, call),
      forget: () => waiting.delete(call),
      heard: new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(call);
          reject(new Error('no end heard'));
        }, LOST_MILLIS);
        waiting.set(call, (end) => {
          clearTimeout(timer);
          resolve(end);
        });
      }),
    };
  }
}
