import { applyDefinition, createResource, type ProcessEnded, startProcess, SUBJECTS } from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { NatsConnection } from 'nats';
import type { RunOne } from './load.js';
import { BENCH_TYPE, HANDLER, LIMIT } from './shape.js';

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

/** Drover: the type is declared, the handler registered and the resources created through the front door. */
export async function drover(connection: NatsConnection, count: number): Promise<Measured> {
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
  await create('externalHandler', { name: HANDLER, uuid: HANDLER, processConfigs: [{ name: 'benchthing.run' }] });

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
    runOne: async (resourceId) => {
      const end = ends.expect();
      try {
        await bus.request(startProcess, {
          commandId: null,
          commandHash: null,
          notify: end.subject,
          process: 'benchthing.run',
          resourceId,
          data: { note: 'bench' },
        });
      } catch (error) {
        end.forget();
        throw error instanceof DroverError ? new Error(`${error.code}: start`, { cause: error }) : error;
      }
      const { exitReason } = await end.heard;
      if (exitReason !== 'DONE') throw new Error(`ended ${exitReason}`);
    },
  };
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
