import { commitBatch, type EncodedTransition } from '@drover/contracts';
import { describe, expect, it } from 'vitest';
import { HOPS, inDatabase, type Seen, timesOf, trace } from './trace.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const TOKEN = 'd32169dc0348c8783fd46be0';

interface Message {
  subject: string;
  reply?: string;
  body?: unknown;
}

/** One message each millisecond. */
function seen(...messages: Message[]): Seen[] {
  return messages.map(({ subject, reply, body }, i) => ({
    at: i,
    subject,
    reply,
    data: bytes(typeof body === 'string' ? body : JSON.stringify(body ?? '')),
  }));
}

/** The messages of the process numbered as its resource, with the names that the broker showed. */
const start = (n: number): Message => ({
  subject: 'drover.engine.process.start',
  reply: `_INBOX.client.${n}`,
  body: { notify: `drover.notify.bench1.${n}`, process: 'benchthing.run', resourceId: n },
});
const commit = (kind: 'starts' | 'ends', numbers: number[]): Message => ({
  subject: 'drover.store.commit',
  reply: `_INBOX.engine.${kind}${numbers.join('-')}`,
  body: commitBatch.encode(
    numbers.map(
      (resourceId) => ({ head: { kind, resourceId }, row: '{}', shape: '{}' }) as unknown as EncodedTransition,
    ),
  ),
});
const committed = (kind: 'starts' | 'ends', numbers: number[]): Message => ({
  subject: `_INBOX.engine.${kind}${numbers.join('-')}`,
  body: { outcomes: [] },
});
const accepted = (n: number): Message => ({ subject: `_INBOX.client.${n}`, body: { processId: n + 100 } });
const replySubject = (n: number): string => `drover.reply.3.${n + 100}.1.${TOKEN}`;
const event = (n: number): Message => ({
  subject: 'drover.process.benchThing.run.handle.bench',
  reply: replySubject(n),
  body: { resourceId: `1bt${n}`, replyTo: replySubject(n) },
});
const reply = (n: number): Message => ({ subject: replySubject(n), body: { data: {} } });
const delivered = (n: number): Message => ({ ...reply(n), reply: '$JS.ACK.REPLY.SLOT_3.1.7.7.1.0' });
const acknowledged: Message = { subject: '$JS.ACK.REPLY.SLOT_3.1.7.7.1.0', body: '+ACK' };
const notice = (n: number): Message => ({ subject: `drover.notify.bench1.${n}`, body: { exitReason: 'DONE' } });
const feed: Message = { subject: 'drover.transition.benchThing.run.done', body: {} };

const begun = (n: number): Message[] => [start(n), commit('starts', [n]), committed('starts', [n])];
const ended = (n: number): Message[] => [commit('ends', [n]), committed('ends', [n]), notice(n)];
const alone = (n: number): Message[] => [...begun(n), event(n), reply(n), delivered(n), ...ended(n)];

describe('the trace of a process', () => {
  it('has a time for each message from the start to the notice of the end, whatever is sent beside them', () => {
    const [asked, ...rest] = alone(1);
    const { traces, messages } = trace(seen(feed, asked!, ...rest, acknowledged, accepted(1), feed));
    expect(traces).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9]]);
    expect(traces[0]).toHaveLength(HOPS.length + 1);
    const counts = Object.fromEntries(Object.entries(messages).map(([kind, { count }]) => [kind, count]));
    expect(counts).toEqual({
      start: 1,
      'answer to the start': 1,
      commit: 2,
      'answer to a commit': 2,
      event: 1,
      reply: 1,
      'reply, delivered by the stream': 1,
      'acknowledgement of a reply': 1,
      'notice of the end': 1,
      'event of the feed': 2,
    });
    expect(messages['acknowledgement of a reply']!.bytes).toBe(4);
  });

  it('ends with the one answer of a start that is answered at its end', () => {
    const [asked, ...rest] = alone(1);
    const { traces, messages } = trace(seen({ ...asked!, reply: 'drover.notify.bench1.1' }, ...rest));
    expect(traces).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8]]);
    expect(Object.keys(messages)).not.toContain('answer to the start');
  });

  it('knows what of the commits is the database', () => {
    const { traces } = trace(seen(...alone(1)));
    expect(inDatabase(traces, { starts: { meanMillis: 2 }, ends: { meanMillis: 0.4 } })).toEqual([
      { hop: 'commit of the start → its answer', meanMicros: 2_000, share: 0.25 },
      { hop: 'commit of the end → its answer', meanMicros: 400, share: 0.05 },
    ]);
    expect(inDatabase([], {})).toEqual([
      { hop: 'commit of the start → its answer', meanMicros: 0, share: 0 },
      { hop: 'commit of the end → its answer', meanMicros: 0, share: 0 },
    ]);
  });

  it('tells processes apart that run at once and share their batches', () => {
    const both = [1, 2];
    const { traces } = trace(
      seen(
        start(1),
        start(2),
        commit('starts', both),
        committed('starts', both),
        event(2),
        event(1),
        reply(1),
        delivered(1),
        reply(2),
        delivered(2),
        commit('ends', both),
        committed('ends', both),
        notice(2),
        notice(1),
      ),
    );
    expect(traces).toEqual([
      [1, 2, 3, 4, 8, 9, 10, 11, 12],
      [0, 2, 3, 5, 6, 7, 10, 11, 13],
    ]);
  });

  it('is of whole processes only: one that was under way at the beginning is left out, and one that is not over', () => {
    const { traces } = trace(seen(...alone(1).slice(2), ...alone(2), ...begun(3)));
    expect(traces).toHaveLength(1);
  });

  it('takes the first of what is sent twice', () => {
    const messages = [...begun(1), event(1), event(1), reply(1), reply(1), delivered(1), delivered(1), ...ended(1)];
    expect(trace(seen(...messages)).traces).toEqual([[0, 1, 2, 3, 5, 7, 9, 10, 11]]);
  });

  it('begins anew with the next process of the same resource', () => {
    expect(trace(seen(...alone(1), ...alone(1))).traces).toHaveLength(2);
  });
});

describe('the times of the hops', () => {
  it('are medians and shares of the whole, which add up', () => {
    const traces = [
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      [0, 1, 2, 3, 4, 5, 6, 7, 10],
      [0, 1, 2, 3, 4, 5, 6, 7, 14],
    ];
    const { hops, whole } = timesOf(traces);
    expect(hops[0]).toEqual({ ...HOPS[0], medianMicros: 1_000, p90Micros: 1_000, share: 0.094 });
    // To three digits, as latencies are.
    expect(hops.at(-1)!.medianMicros).toBeCloseTo(3_000, -2);
    expect(hops.at(-1)!.p90Micros).toBeCloseTo(7_000, -2);
    expect(whole.medianMicros).toBeCloseTo(10_000, -2);
    expect(whole.share).toBe(1);
    expect(hops.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 2);
  });

  it('are 0 where nothing was seen', () => {
    expect(timesOf([]).whole).toEqual({ medianMicros: 0, p90Micros: 0, share: 0 });
  });
});
