import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ProcessView, ResourceRow } from '@drover/contracts';
import { Cluster, type Delivery, never, type TestHandler } from '../support/index.js';

const KIB = 1024;

interface Asked {
  id: number;
  processId: number;
  handler: TestHandler;
  delivery: Delivery;
  /** the resource while the handler works */
  before: ResourceRow;
}

/** What handlers may answer that they should not (protocol §3). */
describe('a bad reply', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start()));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  let n = 0;
  /** A process whose one handler was asked and has not answered. */
  async function asked(run = ''): Promise<Asked> {
    const { client } = cluster;
    const type = `bad${String.fromCharCode(97 + n / 26, 97 + (n++ % 26))}`;
    await client.define(`
      name: ${type}
      fields: { size: { type: int, nullable: true }, text: { type: string, nullable: true } }
      defaultProcesses: { exclude: [activate, deactivate] }
      final: [ran]
      processes: { run: { start: [inactive], transitioning: running, done: ran ${run} } }`);
    const handler = await cluster.handler(`${type}-runner`, { processes: `${type}.run`, answer: never });
    const created = await client.create(type);
    await client.ended(created.processId!);
    const { id } = created.resource;
    const { processId } = await client.start(`${type}.run`, id);
    await handler.sent(1);
    return { id, processId: processId!, handler, delivery: handler.deliveries[0]!, before: await client.read(id) };
  }

  const count = (name: string): Promise<number> => cluster.metric(`drover_engine_${name}`);

  /** The proper answer ends the process as if nothing had been. */
  async function answeredProperly({ id, processId, handler }: Asked, events = 1): Promise<void> {
    const { client } = cluster;
    handler.deliveries.at(-1)!.reply({ data: { size: 1 } });
    await client.until(id, { state: 'ran', transitioning: 'no', message: null });
    expect((await client.read(id)).data).toMatchObject({ size: 1 });
    expect(await client.process(processId)).toMatchObject({ live: false, exitReason: 'DONE' });
    expect(handler.events).toHaveLength(events);
  }

  const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`;

  it.for<[string, string | Uint8Array, RegExp]>([
    ['that is not JSON', 'done!', /JSON/],
    ['that is cut off', '{"data":{"size":', /JSON/],
    ['that is no text', new Uint8Array([0xff, 0xfe, 0x00, 0x80]), /JSON/],
    ['that is a list', '[{"data":{}}]', /object/],
    ['that is null', 'null', /object/],
    ['with an unknown key', '{"date":{"size":9}}', /date/],
    ['with a key of a prototype at the top', '{"__proto__":{"size":9}}', /__proto__/],
    ['with a key of a prototype in its data', '{"data":{"__proto__":{"size":9}}}', /__proto__/],
    [
      'with a key of a prototype to merge into',
      '{"data":{"+data":{"constructor":{"prototype":{"x":1}}}}}',
      /constructor/,
    ],
    ['with U+0000', String.raw`{"data":{"text":"a\u0000b"}}`, /U\+0000/],
    ['with half a character', String.raw`{"data":{"text":"a\ud800"}}`, /surrogate/],
    ['that is nested too deeply', `{"data":{"data":${deep}}}`, /deeper/],
    ['with data that is no map', '{"data":7}', /data/],
    ['with a progress of 120', '{"transitioning":"yes","transitioningProgress":120}', /transitioningProgress/],
  ])(
    '%s is rejected: the resource is untouched, the attempt stays open, and the reason is shown',
    async ([, body, reason]) => {
      const { client } = cluster;
      const rejected = await count('replies_rejected');
      const bad = await asked();
      bad.delivery.reply(body);
      const shown = (view: ProcessView): boolean => view.live && view.errorCode === 'ReplyRejected';
      await expect.poll(async () => shown(await client.process(bad.processId))).toBe(true);
      expect(await client.process(bad.processId)).toMatchObject({
        status: 'dispatched',
        errorMessage: expect.stringMatching(reason),
        progress: { steps: [{ outcome: 'rejected', handler: bad.handler.name }] },
      });
      expect((await client.process(bad.processId)).errorMessage).toContain(bad.handler.name);
      expect(await client.read(bad.id)).toEqual(bad.before);
      expect(await count('replies_rejected')).toBe(rejected + 1);
      await answeredProperly(bad);
    },
  );

  it.for<[string, object, RegExp]>([
    ['an undeclared field', { colour: 'red' }, /colour/],
    ['the state', { state: 'ran' }, /state/],
    ['another envelope field', { revision: 1 }, /revision/],
    ['a field of the wrong type', { size: 'large' }, /size/],
    ['more than 256 KiB', { text: 'x'.repeat(600 * KIB) }, /kept|long/],
    ['more than 256 KiB in the free map', { '+data': { blob: 'x'.repeat(600 * KIB) } }, /256|kept|large/i],
  ])('whose data sets %s fails the step for good, naming it, and changes nothing', async ([, data, reason]) => {
    const { client } = cluster;
    const bad = await asked();
    bad.delivery.reply({ data: { size: 5, ...data } });
    expect(await client.ended(bad.processId)).toBe('PARKED');
    const { state, data: kept } = await client.read(bad.id);
    expect({ state, kept }).toEqual({ state: 'running', kept: bad.before.data });
    expect(await client.read(bad.id)).toMatchObject({ transitioning: 'error', message: expect.stringMatching(reason) });
    await client.operate(bad.processId, 'retry');
    await bad.handler.sent(2);
    await answeredProperly(bad, 2);
  });

  it.for<[string, (delivery: Delivery) => string]>([
    ['an attempt to come', ({ event }) => subjectWith(event.replyTo, { dispatch: 2 })],
    ['an attempt that never was', ({ event }) => subjectWith(event.replyTo, { dispatch: 0 })],
    ['a process that never was', ({ event }) => subjectWith(event.replyTo, { process: 999_999_999 })],
    ['the attempt, with a guessed secret', ({ event }) => subjectWith(event.replyTo, { token: 'ab'.repeat(12) })],
  ])('to %s changes nothing and is counted', async ([, subjectOf]) => {
    const { client, bus } = cluster;
    const bad = await asked();
    const ignored = await count('replies_ignored');
    bus.publish(subjectOf(bad.delivery), { data: { size: 666 } });
    await expect.poll(() => count('replies_ignored')).toBe(ignored + 1);
    expect(await client.read(bad.id)).toEqual(bad.before);
    await answeredProperly(bad);
  });

  it('after the first one changes nothing: not twice at once, and not after the end', async () => {
    const { client } = cluster;
    const bad = await asked();
    const ignored = await count('replies_ignored');
    bad.delivery.reply({ data: { size: 1 } });
    bad.delivery.reply({ data: { size: 2 } });
    bad.delivery.reply({ transitioning: 'error', transitioningMessage: 'no' });
    await client.until(bad.id, { state: 'ran' });
    await expect.poll(() => count('replies_ignored')).toBe(ignored + 2);
    const done = await client.read(bad.id);
    expect(done.data['size']).toBe(1);
    bad.delivery.reply({ data: { size: 3 } });
    bad.delivery.reply('nonsense');
    await expect.poll(() => count('replies_ignored')).toBe(ignored + 4);
    expect(await client.read(bad.id)).toEqual(done);
  });

  it("larger than the broker's limit never arrives: the time-out says so", async () => {
    const { client } = cluster;
    const bad = await asked(', timeoutMillis: 600, retry: { maxAttempts: 1 }');
    // A client that checks the limit throws; one that does not is cut off by the broker.
    expect(() => bad.delivery.reply({ data: { text: 'x'.repeat(1_200 * KIB) } })).toThrow();
    expect(await client.ended(bad.processId)).toBe('PARKED');
    expect(await client.process(bad.processId)).toMatchObject({
      errorCode: 'TIMEOUT',
      errorMessage: expect.stringContaining('payload'),
    });
    await client.operate(bad.processId, 'retry');
    await bad.handler.sent(2);
    await answeredProperly(bad, 2);
  });

  it('rejected and then timed out: the time-out names what was wrong', async () => {
    const { client } = cluster;
    const bad = await asked(', timeoutMillis: 800, retry: { maxAttempts: 1 }');
    bad.delivery.reply('{"colour":1}');
    expect(await client.ended(bad.processId)).toBe('PARKED');
    expect((await client.process(bad.processId)).errorMessage).toMatch(/colour/);
  });

  it('as a NATS micro service makes it fails the attempt with its code', async () => {
    const { client } = cluster;
    const bad = await asked(', retry: { maxAttempts: 1 }');
    bad.delivery.reply('', { 'Nats-Service-Error': 'disk is full', 'Nats-Service-Error-Code': '507' });
    expect(await client.ended(bad.processId)).toBe('PARKED');
    expect(await client.process(bad.processId)).toMatchObject({ errorCode: '507', errorMessage: 'disk is full' });
  });

  it('on a reply subject that nobody issued changes nothing and is counted', async () => {
    const { client, bus } = cluster;
    const bad = await asked();
    const subjects = [
      'drover.reply.0.nonsense',
      'drover.reply.x',
      'drover.reply.0.1.1.not-a-secret',
      'drover.reply.0.1.1.a.b.c.d',
    ];
    const garbage = await count('replies_garbage');
    for (const subject of subjects) bus.connection.publish(subject, '{"data":{"size":666}}');
    await expect.poll(() => count('replies_garbage')).toBe(garbage + subjects.length);
    const answer = await bus.connection.request('drover.reply.x', 'hello');
    expect(answer.headers?.get('Drover-Error')).toBe('NotFound');
    expect(await client.read(bad.id)).toEqual(bad.before);
    await answeredProperly(bad);
  });
});

/** The reply subject with some parts exchanged: `drover.reply.<slot>.<process>.<dispatch>.<token>`. */
function subjectWith(subject: string, parts: { process?: number; dispatch?: number; token?: string }): string {
  const tokens = subject.split('.');
  if (parts.process !== undefined) tokens[3] = String(parts.process);
  if (parts.dispatch !== undefined) tokens[4] = String(parts.dispatch);
  if (parts.token !== undefined) tokens[5] = parts.token;
  return tokens.join('.');
}
