import { REPLY_SLOTS } from '@drover/contracts';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startStore, type TestStore } from '../testing/start-store.js';
import { create, start } from '../testing/transitions.js';
import { SlotsService } from './slots.service.js';

let store: TestStore;
let slots: SlotsService;
beforeAll(async () => {
  store = await startStore();
  slots = store.get(SlotsService);
});
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(() => store.sql('update reply_slot set engine = null, expires_at = now()'));

const lease = (engine: string, over: Partial<Parameters<SlotsService['lease']>[0]> = {}) =>
  slots.lease({ engine, held: [], want: 0, takeLapsed: true, release: [], ...over }).then((answer) => answer.slots);
const lapse = () => store.sql(`update reply_slot set expires_at = now() - interval '1 second'`);

it('each slot has one holder, and renewing keeps its epoch', async () => {
  const [a, b] = await Promise.all([lease('a', { want: 5 }), lease('b', { want: 5 })]);
  const taken = [...a, ...b].map(({ slot }) => slot);
  expect(new Set(taken).size).toBe(taken.length);
  expect(taken).toHaveLength(REPLY_SLOTS);
  expect(await lease('a', { held: a })).toEqual(expect.arrayContaining(a.map((slot) => ({ ...slot, lapsed: false }))));
});

it('a lapsed slot changes hands with a higher epoch, and the old holder hears that it is lost', async () => {
  const [held] = await lease('a', { want: 1 });
  await lapse();
  const taken = await lease('b', { want: REPLY_SLOTS });
  const again = taken.find(({ slot }) => slot === held!.slot)!;
  expect(again).toMatchObject({ epoch: held!.epoch + 1, lapsed: true });
  expect(await lease('a', { held: [held!] })).toEqual([]);
});

it('a lapsed slot that nobody took stays with its holder, under the same epoch', async () => {
  const [held] = await lease('a', { want: 1 });
  await lapse();
  expect(await lease('b', { want: 1, takeLapsed: false })).not.toContainEqual(
    expect.objectContaining({ slot: held!.slot }),
  );
  expect(await lease('a', { held: [held!] })).toMatchObject([{ slot: held!.slot, epoch: held!.epoch }]);
});

it('a slot that is given back is free at once', async () => {
  const held = await lease('a', { want: REPLY_SLOTS });
  expect(await lease('b', { want: 1 })).toEqual([]);
  await lease('a', { release: [held[0]!.slot] });
  expect(await lease('b', { want: 1 })).toMatchObject([{ slot: held[0]!.slot, lapsed: false }]);
});

it('a slot whose lease was granted in a lost answer comes back to its engine', async () => {
  await lease('a', { want: REPLY_SLOTS });
  const again = await lease('a', { want: 1 });
  expect(again).toMatchObject([{ lapsed: true }]);
});

it('only the present holder wakes what is out with a slot, and marks it for a repeat', async () => {
  const [held] = await lease('a', { want: 1 });
  const { processId } = await store.applied(create('creating', { start: start({ slot: held!.slot }) }));
  expect(await slots.wake(held!.slot, held!.epoch - 1)).toBe(0);
  expect(await slots.wake(held!.slot, held!.epoch)).toBe(1);
  expect(
    await store.sql('select resend, next_wake_at <= now() as due, version from process_live where id = $1', [
      processId,
    ]),
  ).toEqual([{ resend: true, due: true, version: 1 }]);
});

it('one request keeps what an engine holds and takes over what another left behind', async () => {
  const [a] = await lease('a', { want: 1 });
  const [b] = await lease('b', { want: 1 });
  await store.sql(`update reply_slot set expires_at = now() - interval '1 second' where engine = 'b'`);
  const answer = await lease('a', { held: [a!] });
  expect(answer).toHaveLength(2);
  expect(answer).toEqual(
    expect.arrayContaining([
      { slot: a!.slot, epoch: a!.epoch, lapsed: false },
      { slot: b!.slot, epoch: b!.epoch + 1, lapsed: true },
    ]),
  );
  expect(await lease('b', { held: [b!] })).toEqual([]);
});
