/**
 * The limit engine: the least a program can do and still keep the promise "what was answered is on disk". One batched
 * statement begins processes, one finishes them, a handler is asked over NATS in between. It has no retries, no
 * time-outs, no timers and no recovery: it is no product, it says what this machine gives.
 */
import { Batcher } from '@drover/kernel';
import { connectNats } from '@drover/messaging';
import type { Msg } from 'nats';
import { Client } from 'pg';
import { HANDLER, LIMIT, runEventSubject } from '../run/shape.js';
import { BEGIN, FINISH, PIN_PLAN, SCHEMA } from './schema.js';

interface Started {
  process: number;
  resource: number;
  data: unknown;
}

const connection = await connectNats(process.env['DROVER_NATS_URL']!, 'limit-engine');
const database = process.env['DROVER_DATABASE_URL']!;

/** One connection per stage: a statement in flight is what the next batch gathers behind. */
async function stage(): Promise<Client> {
  const client = new Client({ connectionString: database });
  await client.connect();
  await client.query(PIN_PLAN);
  return client;
}

const setup = new Client({ connectionString: database });
await setup.connect();
await setup.query(SCHEMA);
await setup.query(`insert into bench_limit.resource select n, 'idle', 1, '{}' from generate_series(1, $1::int) n`, [
  Number(process.env['BENCH_RESOURCES']),
]);
await setup.query('analyze bench_limit.resource');
await setup.end();

const [beginning, finishing] = await Promise.all([stage(), stage()]);
const waiting = new Map<number, Msg>();
/** Seconds since 1970 times 2^20: processes of a later run have higher numbers. */
let lastProcess = Math.floor(Date.now() / 1000) * 2 ** 20;

/** A quarter of what is in flight: at most four batches' worth of callers, two of them in a statement. */
const maxItems = (): number => Math.min(256, Math.max(1, Math.ceil(waiting.size / 4)));

const begin = new Batcher<Started, number | undefined>({
  maxItems,
  keyOf: (item) => item.resource,
  flush: async (items) => {
    items.sort((a, b) => a.resource - b.resource);
    const rows = await execute(beginning, 'begin', BEGIN, [
      `{${items.map((item) => item.process).join()}}`,
      `{${items.map((item) => item.resource).join()}}`,
      JSON.stringify(items.map((item) => item.data)),
    ]);
    return items.map((item) => rows.get(item.process));
  },
});

const finish = new Batcher<{ process: number; result: string }, number | undefined>({
  maxItems,
  flush: async (items) => {
    items.sort((a, b) => a.process - b.process);
    const rows = await execute(finishing, 'finish', FINISH, [
      `{${items.map((item) => item.process).join()}}`,
      `[${items.map((item) => item.result).join()}]`,
    ]);
    return items.map((item) => rows.get(item.process));
  },
});

/** As the store tells of its own batches on /metrics: how many there were, their rows, and the time of each in the database. */
const told = { begin: { count: 0, rows: 0, seconds: 0 }, finish: { count: 0, rows: 0, seconds: 0 } };

connection.subscribe(LIMIT.batches, {
  callback: (_error, message) => {
    const lines = Object.entries(told).map(
      ([lane, { count, rows, seconds }]) =>
        `drover_store_batch_rows_count{lane="${lane}"} ${count}\n` +
        `drover_store_batch_rows_sum{lane="${lane}"} ${rows}\ndrover_store_batch_seconds_sum{lane="${lane}"} ${seconds}`,
    );
    message.respond(lines.join('\n'));
  },
});

/** @returns the new revision by process number, of the rows that moved */
async function execute(
  client: Client,
  name: keyof typeof told,
  text: string,
  values: string[],
): Promise<Map<number, number>> {
  const sent = performance.now();
  const { rows } = await client.query<{ process: number; revision: number }>({ name, text, values });
  const of = told[name];
  of.count++;
  of.rows += rows.length;
  of.seconds += (performance.now() - sent) / 1_000;
  return new Map(rows.map((row) => [row.process, row.revision]));
}

connection.subscribe(LIMIT.start, {
  callback: (_error, message) => {
    const request = message.json<{ resourceId: number; data: unknown }>();
    const process = ++lastProcess;
    waiting.set(process, message);
    begin.add({ process, resource: request.resourceId, data: request.data }).then(
      (revision) => {
        if (revision === undefined) return answer(process, { error: 'ActionNotAvailable' });
        ask(process, request.resourceId, revision, request.data);
      },
      (error: unknown) => answer(process, { error: String(error) }),
    );
  },
});

/** The event has the fields of a real one, so that the handler parses as much. */
function ask(process: number, resource: number, revision: number, data: unknown): void {
  const replyTo = `${LIMIT.reply}.${process}`;
  const event = {
    id: `1pi${process}.handle.${HANDLER}.1`,
    key: `1pi${process}.handle.${HANDLER}`,
    name: `benchthing.run;handler=${HANDLER}`,
    replyTo,
    time: Date.now(),
    timeoutMillis: 45_000,
    resourceType: 'benchThing',
    resourceId: `1bt${resource}`,
    process: 'benchthing.run',
    phase: 'handle',
    processId: `1pi${process}`,
    step: 1,
    attempt: 1,
    resource: { id: `1bt${resource}`, type: 'benchThing', state: 'running', revision },
    data,
    context: {},
  };
  connection.publish(runEventSubject(HANDLER), JSON.stringify(event), { reply: replyTo });
}

connection.subscribe(`${LIMIT.reply}.*`, {
  callback: (_error, message) => {
    const process = Number(message.subject.slice(LIMIT.reply.length + 1));
    const { data } = message.json<{ data: unknown }>();
    finish.add({ process, result: JSON.stringify(data) }).then(
      (revision) => answer(process, revision === undefined ? { error: 'StateChanged' } : { process, revision }),
      (error: unknown) => answer(process, { error: String(error) }),
    );
  },
});

function answer(process: number, body: object): void {
  waiting.get(process)?.respond(JSON.stringify(body));
  waiting.delete(process);
}

process.once('SIGTERM', () => {
  void connection.drain().then(() => Promise.all([beginning.end(), finishing.end()]));
});
await connection.flush();
console.log('ready');
