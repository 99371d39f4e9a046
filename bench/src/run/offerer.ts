/**
 * Offers starts to a gateway at a rate that it cannot do, in a program of its own and without an HTTP library: what the generator needs of the
 * machine, the services do not have. Told by run/overload.ts what to offer, it answers with what became of it.
 */
import { formatId } from '@drover/kernel';
import { connect, type Socket } from 'node:net';
import { Latencies } from './result.js';
import { BENCH_PREFIX } from './shape.js';

export interface Offer {
  /** of the gateways, which get the same number of connections */
  urls: string[];
  /** one connection for each; it is busy while its start is unanswered */
  resources: number[];
  /** starts a second, evenly */
  rate: number;
  seconds: number;
}

export interface Offered {
  sent: number;
  accepted: number;
  refused: number;
  badRefusals: number;
  unknown: number;
  errors: Record<string, number>;
  /** arrivals that found no free connection, and were not sent */
  dropped: number;
  tookSeconds: number;
  /** processor time of this program in that time, microseconds */
  cpuMicros: number;
  /** from the time that a start was due until its process had ended */
  acceptedMillis: { p50: number; p99: number; max: number };
  /** until it was refused */
  refusedMillis: { p50: number; p99: number };
}

/** What is unanswered so long after the load's end is counted as unknown, milliseconds. */
const LAST_MILLIS = 35_000;
const WAIT_SECONDS = 30;

const count = { sent: 0, accepted: 0, refused: 0, badRefusals: 0, unknown: 0, dropped: 0 };
const errors = new Map<string, number>();
const latencies = { accepted: new Latencies(), refused: new Latencies() };
const free: Connection[] = [];
/** All sockets read into it, one after the other. */
const incoming = Buffer.allocUnsafe(64 * 1024);

/** One connection that is kept alive, one request at a time. */
class Connection {
  private readonly request: Buffer;
  private socket: Socket | undefined;
  /** of the start under way; 0: none */
  private dueAt = 0;
  private partial = '';
  private isOpen = false;

  constructor(
    private readonly at: URL,
    resource: number,
  ) {
    const body = JSON.stringify({ note: 'bench' });
    const head = `POST /v1/benchthings/${formatId(BENCH_PREFIX, resource)}?action=run HTTP/1.1\r\nhost: ${at.host}\r\n`;
    const fields = `content-type: application/json\r\nprefer: wait=${WAIT_SECONDS}\r\ncontent-length: ${body.length}\r\n\r\n`;
    this.request = Buffer.from(head + fields + body, 'latin1');
  }

  get isBusy(): boolean {
    return this.dueAt !== 0;
  }

  /** Not closed meanwhile: it is opened again, and free then. */
  get isUsable(): boolean {
    return this.isOpen;
  }

  open(): Promise<void> {
    return new Promise((resolve) => {
      const onread = {
        buffer: incoming,
        callback: (bytes: number) => this.read(incoming.toString('latin1', 0, bytes)),
      };
      const socket = connect({ host: this.at.hostname, port: Number(this.at.port), noDelay: true, onread }, () => {
        this.isOpen = true;
        free.push(this);
        resolve();
      });
      socket.on('error', (error) => this.lost(error.message));
      socket.on('close', () => {
        this.lost('the connection was closed');
        setTimeout(() => void this.open(), 100);
      });
      this.socket = socket;
    });
  }

  send(dueAt: number): void {
    this.dueAt = dueAt;
    count.sent++;
    this.socket!.write(this.request);
  }

  close(): void {
    this.socket?.removeAllListeners('close').destroy();
  }

  private lost(why: string): void {
    this.isOpen = false;
    this.partial = '';
    if (this.isBusy) unknown(why);
    this.dueAt = 0;
  }

  private read(text: string): boolean {
    const answer = this.partial + text;
    const end = answer.indexOf('\r\n\r\n');
    const length = end < 0 ? null : CONTENT_LENGTH.exec(answer);
    if (length === null || answer.length < end + 4 + Number(length[1])) this.partial = answer;
    else {
      this.partial = '';
      this.answered(answer, answer.slice(0, end));
      this.dueAt = 0;
      free.push(this);
    }
    return true;
  }

  private answered(answer: string, head: string): void {
    const status = answer.slice(9, 12);
    const took = performance.now() - this.dueAt;
    if (status === '202') {
      count.accepted++;
      latencies.accepted.add(took);
    } else if (REFUSED.test(answer)) {
      count.refused++;
      latencies.refused.add(took);
      if ((status !== '429' && status !== '503') || !RETRY_AFTER.test(head)) count.badRefusals++;
    } else unknown(`${status} ${/"code":"(\w+)"/.exec(answer)?.[1] ?? ''}`);
  }
}

const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i;
const RETRY_AFTER = /\r\nretry-after: [1-9]/i;
const REFUSED = /"code":"(?:Overloaded|TooManyRequests)"/;

function unknown(why: string): void {
  count.unknown++;
  errors.set(why, (errors.get(why) ?? 0) + 1);
}

async function offer({ urls, resources, rate, seconds }: Offer): Promise<Offered> {
  const all = resources.map((resource, i) => new Connection(new URL(urls[i % urls.length]!), resource));
  // Node takes one new connection in a turn of its event loop: all at once they would wait for each other.
  for (const connection of all) await connection.open();
  const cpu = process.cpuUsage();
  const began = performance.now();
  const until = began + seconds * 1_000;
  await new Promise<void>((resolve) => {
    let next = began;
    const tick = (): void => {
      const now = performance.now();
      // An open loop: what is due is due, whatever became of the others.
      for (; next <= now && next < until; next += 1_000 / rate) {
        // The one that was used longest ago: a server closes those that nobody uses.
        let connection = free.shift();
        while (connection !== undefined && !connection.isUsable) connection = free.shift();
        if (connection === undefined) count.dropped++;
        else connection.send(next);
      }
      if (next >= until) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
  const tookSeconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  process.send!('offered');
  for (const late = performance.now() + LAST_MILLIS; all.some(({ isBusy }) => isBusy) && performance.now() < late;)
    await new Promise((resolve) => setTimeout(resolve, 50));
  for (const connection of all) if (connection.isBusy) unknown('no answer');
  for (const connection of all) connection.close();
  const { accepted, refused } = latencies;
  return {
    ...count,
    errors: Object.fromEntries(errors),
    tookSeconds,
    cpuMicros: user + system,
    acceptedMillis: { p50: accepted.at(0.5), p99: accepted.at(0.99), max: accepted.at(1) },
    refusedMillis: { p50: refused.at(0.5), p99: refused.at(0.99) },
  };
}

process.once('message', (asked: Offer) => {
  void offer(asked).then((offered) => {
    process.send!(offered);
    process.disconnect();
  });
});
process.send!('ready');
