import { commitBatch, commitTransitions, parseReplySubject, startProcess } from '@drover/contracts';
import { parseId } from '@drover/kernel';
import { Latencies, round } from './result.js';

/** A message as a listener saw it. */
export interface Seen {
  /** milliseconds of any clock that goes on evenly */
  at: number;
  subject: string;
  /** where an answer goes; of what a stream delivers, where its acknowledgement goes; empty: nowhere */
  reply: string | undefined;
  data: Uint8Array;
}

/** The way of one process with one external handler, in order: from each message to the next, and which program that takes. */
export const HOPS = [
  { program: 'engine', hop: 'start → commit' },
  { program: 'store', hop: 'commit of the start → its answer' },
  { program: 'engine', hop: 'answer → event' },
  { program: 'handler', hop: 'event → reply' },
  { program: 'nats', hop: 'reply → stored and delivered' },
  { program: 'engine', hop: 'reply → commit' },
  { program: 'store', hop: 'commit of the end → its answer' },
  { program: 'engine', hop: 'answer → notice of the end' },
] as const;

/** Places in a {@link Trace}: the message that begins the hop of that number, or ends the last. */
const AT = {
  start: 0,
  startCommit: 1,
  startCommitted: 2,
  event: 3,
  reply: 4,
  delivered: 5,
  endCommit: 6,
  endCommitted: 7,
  notice: 8,
} as const;

/** When the messages of one process were seen, in the order of {@link HOPS}. */
type Trace = number[];

/** What was seen, all processes together. */
export interface Traced {
  /** processes whose every message was seen, in their order */
  traces: Trace[];
  /** by kind of message: how many, and the bytes of their bodies */
  messages: Record<string, { count: number; bytes: number }>;
}

/** Finds out which message belongs to which process, however many run at once; a resource has one at a time. */
export function trace(seen: Iterable<Seen>): Traced {
  const tracer = new Tracer();
  for (const message of seen) tracer.see(message);
  return { traces: tracer.complete, messages: tracer.messages };
}

class Tracer {
  readonly complete: Trace[] = [];
  readonly messages: Traced['messages'] = {};
  private readonly byResource = new Map<number, Trace>();
  private readonly byProcess = new Map<number, Trace>();
  private readonly byNotice = new Map<string, Trace>();
  /** what an answer says, by the subject it comes on */
  private readonly answers = new Map<string, { kind: string; marks: [Trace | undefined, number][] }>();

  see(message: Seen): void {
    const kind = this.answered(message) ?? this.told(message);
    const sum = (this.messages[kind] ??= { count: 0, bytes: 0 });
    sum.count++;
    sum.bytes += message.data.length;
  }

  /** @returns the kind of message, or null: it is no answer that is waited for */
  private answered({ subject, at }: Seen): string | null {
    const answer = this.answers.get(subject);
    if (answer === undefined) return null;
    this.answers.delete(subject);
    for (const [trace, place] of answer.marks) mark(trace, place, at);
    return answer.kind;
  }

  /** @returns the kind of message */
  private told({ subject, reply, data, at }: Seen): string {
    if (subject === startProcess.subject) {
      const { resourceId, notify } = JSON.parse(text(data)) as { resourceId: number; notify: string | null };
      const begun = [at];
      this.byResource.set(resourceId, begun);
      if (notify !== null) this.byNotice.set(notify, begun);
      // One that is answered at its end has no other answer.
      if (reply !== notify) this.expect(reply, 'answer to the start', []);
      return 'start';
    }
    if (subject === commitTransitions.subject) {
      const marks: [Trace | undefined, number][] = [];
      for (const { head } of commitBatch.decode(text(data))) {
        const trace = this.byResource.get(head.resourceId ?? 0);
        const place = head.kind === 'starts' ? AT.startCommit : AT.endCommit;
        mark(trace, place, at);
        marks.push([trace, place + 1]);
      }
      this.expect(reply, 'answer to a commit', marks);
      return 'commit';
    }
    if (subject.startsWith('drover.process.')) {
      const { resourceId, replyTo } = JSON.parse(text(data)) as { resourceId: string; replyTo: string };
      const trace = this.byResource.get(parseId(resourceId)?.number ?? 0);
      const address = parseReplySubject(replyTo);
      if (trace !== undefined && address !== null) this.byProcess.set(address.process, trace);
      mark(trace, AT.event, at);
      return 'event';
    }
    const address = parseReplySubject(subject);
    if (address !== null) {
      const delivered = reply?.startsWith('$JS.ACK.') === true;
      mark(this.byProcess.get(address.process), delivered ? AT.delivered : AT.reply, at);
      return delivered ? 'reply, delivered by the stream' : 'reply';
    }
    if (subject.startsWith('drover.notify.')) {
      const trace = this.byNotice.get(subject);
      mark(trace, AT.notice, at);
      if (trace?.length === HOPS.length + 1) this.complete.push(trace);
      return 'notice of the end';
    }
    if (subject.startsWith('$JS.ACK.')) return 'acknowledgement of a reply';
    return subject.startsWith('drover.transition.') ? 'event of the feed' : 'other';
  }

  private expect(subject: string | undefined, kind: string, marks: [Trace | undefined, number][]): void {
    if (subject !== undefined) this.answers.set(subject, { kind, marks });
  }
}

/** In their order, each once: of a process that was begun before, or whose event was repeated, nothing is taken for what it is not. */
function mark(trace: Trace | undefined, place: number, at: number): void {
  if (trace?.length === place) trace.push(at);
}

const decoder = new TextDecoder();
const text = (data: Uint8Array): string => decoder.decode(data);

/** How long a hop took, microseconds, and its share of the whole way of all processes together. */
export interface HopTimes {
  medianMicros: number;
  p90Micros: number;
  share: number;
}

/** The lanes of the store's hops, in their order. */
const LANES = ['starts', 'ends'];

/**
 * What of the store's hops is the database's, as the store waits for it; the rest is the store itself and the way through the broker, to it and back.
 * @param batches mean time of a batch, by lane
 */
export function inDatabase(
  traces: readonly Trace[],
  batches: Record<string, { meanMillis: number }>,
): { hop: string; meanMicros: number; share: number }[] {
  const whole = sum(traces.map((trace) => trace[AT.notice]! - trace[AT.start]!)) / Math.max(1, traces.length);
  return HOPS.filter(({ program }) => program === 'store').map(({ hop }, i) => {
    const millis = batches[LANES[i]!]?.meanMillis ?? 0;
    return { hop, meanMicros: round(millis * 1_000, 0), share: whole === 0 ? 0 : round(millis / whole, 3) };
  });
}

/** Each hop, and the whole from the start's request to the notice of the end. */
export function timesOf(traces: readonly Trace[]): {
  hops: ({ program: string; hop: string } & HopTimes)[];
  whole: HopTimes;
} {
  const whole = traces.map((trace) => trace[AT.notice]! - trace[AT.start]!);
  const all = sum(whole);
  return {
    hops: HOPS.map(({ program, hop }, i) => {
      const took = traces.map((trace) => trace[i + 1]! - trace[i]!);
      return { program, hop, ...summary(took, all) };
    }),
    whole: summary(whole, all),
  };
}

function summary(took: readonly number[], all: number): HopTimes {
  const latencies = new Latencies();
  for (const millis of took) latencies.add(millis);
  return {
    medianMicros: round(latencies.at(0.5) * 1_000, 0),
    p90Micros: round(latencies.at(0.9) * 1_000, 0),
    share: all === 0 ? 0 : round(sum(took) / all, 3),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
