import type { CommitTransition } from '@drover/contracts';
import { uuidv7 } from '@drover/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTwoStores, type TestStore } from '../testing/start-store.js';
import { blank, change, create, fields, finish, schedule, start } from '../testing/transitions.js';

const ROUNDS = 60;

let first: TestStore;
let second: TestStore;
beforeAll(async () => void ([first, second] = await startTwoStores()));
afterAll(() => first[Symbol.asyncDispose]());

interface Live {
  resourceId: number;
  processId: number;
}

type Status = 'dispatched' | 'waitingChildren' | 'parked';

async function live(over: Partial<CommitTransition> & { status?: Status; parentId?: number } = {}): Promise<Live> {
  const { status = 'dispatched', parentId, ...rest } = over;
  const { resourceId } = await first.applied(create());
  const process = start({ status, wakeMillis: status === 'parked' ? null : 600_000, deadlineMillis: null });
  const parent = parentId === undefined ? {} : { parentId, parentDispatch: 1 };
  const { processId } = await first.applied(schedule(resourceId, { start: { ...process, ...parent }, ...rest }));
  return { resourceId, processId: processId! };
}

const parent = (): Promise<Live> => live({ status: 'waitingChildren' });

/** A child as its parent starts it. */
const childOf = ({ processId }: Live, parentEnd: 'leave' | null = null, status: Status = 'dispatched'): Promise<Live> =>
  live({ status, parentId: processId, asChild: { parentEnd } });

/** The start of a child on a resource that is there. */
const beginsChild = ({ processId }: Live, resourceId: number, over: Partial<CommitTransition> = {}): CommitTransition =>
  schedule(resourceId, {
    start: start({ parentId: processId, parentDispatch: 1, deadlineMillis: null, wakeMillis: 600_000 }),
    asChild: { parentEnd: null },
    ...over,
  });

/** By force, into a failure, by pre-emption: all the same here. */
const endsEarly = ({ resourceId, processId }: Live, over: Partial<CommitTransition> = {}): CommitTransition =>
  finish(resourceId, processId, 1, 'inactive', { orphans: true, ...over });

/** A failed child goes on in another process. */
const fails = ({ resourceId, processId }: Live, parentId: number): CommitTransition =>
  finish(resourceId, processId, 1, 'erring', {
    wakeParent: parentId,
    start: start({ name: 'volume.error', parentId, parentDispatch: 1, deadlineMillis: null, wakeMillis: 600_000 }),
  });

interface Row {
  id: number;
  parentEnd: string | null;
  due: boolean;
  version: number;
}

async function childrenOf({ processId }: Live): Promise<Row[]> {
  return first.sql<Row>(
    `select id, parent_end as "parentEnd", next_wake_at <= now() as due, version from process_live where parent_id = $1 order by id`,
    [processId],
  );
}

function deadlocks(): unknown[] {
  return [...first.complaints, ...second.complaints].filter(({ fields: told }) =>
    /deadlock/.test(String(told['error'])),
  );
}

describe('the early end of a parent', () => {
  it('wakes its children in the same transaction, parked ones too, and moves their versions on', async () => {
    const rack = await parent();
    const one = await childOf(rack);
    const two = await childOf(rack, null, 'parked');
    const left = await childOf(rack, 'leave');
    await first.applied(endsEarly(rack));
    expect(await childrenOf(rack)).toEqual([
      { id: one.processId, parentEnd: 'ended', due: true, version: 2 },
      { id: two.processId, parentEnd: 'ended', due: true, version: 2 },
      { id: left.processId, parentEnd: 'leave', due: false, version: 1 },
    ]);
    // What was decided before is decided again, with the mark in sight.
    const [outcome] = await first.commit(blank({ ...one, processVersion: 1, update: fields() }));
    expect(outcome).toMatchObject({ outcome: 'conflict', process: { version: 2, parentEnd: 'ended' } });
  });

  it('that does not happen wakes nobody', async () => {
    const rack = await parent();
    const one = await childOf(rack);
    expect((await first.commit(endsEarly(rack, { processVersion: 7 })))[0]).toMatchObject({ outcome: 'conflict' });
    expect(await childrenOf(rack)).toMatchObject([{ id: one.processId, parentEnd: null, due: false, version: 1 }]);
  });

  it('is also that of a process that ends with its resource, in another region', async () => {
    const rack = await parent();
    await first.sql(`update process_live set state_field = 'power' where id = $1`, [rack.processId]);
    await childOf(rack);
    const { processId } = await first.applied(
      schedule(rack.resourceId, { expectStates: null, change: change('removing') }),
    );
    await first.applied(finish(rack.resourceId, processId!, 1, 'removed', { orphans: true }));
    expect(await childrenOf(rack)).toMatchObject([{ parentEnd: 'ended', due: true }]);
  });

  it('in the same batch as what its children do', async () => {
    const rack = await parent();
    const [one, two, three] = [await childOf(rack), await childOf(rack), await childOf(rack)];
    // It works itself: the ends of its children are no news to it.
    await first.sql(`update process_live set status = 'dispatched' where id = $1`, [rack.processId]);
    const outcomes = await first.commit(
      blank({ ...one, processVersion: 1, update: fields({ wakeMillis: 600_000 }) }),
      endsEarly(rack),
      finish(two.resourceId, two.processId, 1, 'active', { wakeParent: rack.processId }),
      fails(three, rack.processId),
    );
    // A row that waits for the next batch may find that it has been woken.
    expect(outcomes[1]).toMatchObject({ outcome: 'applied' });
    const children = await childrenOf(rack);
    // The one that works on, and the one that failed or what it went on in.
    expect(children.length).toBeGreaterThanOrEqual(2);
    for (const child of children) expect(child).toMatchObject({ parentEnd: 'ended', due: true });
  });
});

describe('a child', () => {
  it('is not started once its parent has ended, or waits no more; a repeat is answered as the first try was', async () => {
    const rack = await parent();
    const { resourceId } = await first.applied(create());
    const begins = beginsChild(rack, resourceId);
    const { processId } = await first.applied(begins);
    await first.applied(endsEarly(rack));
    const other = await first.applied(create());
    const busy = await live();
    const outcomes = await first.commit(
      begins,
      beginsChild(rack, other.resourceId),
      beginsChild(busy, other.resourceId),
      beginsChild(rack, other.resourceId, { commandId: uuidv7() }),
    );
    expect(outcomes).toMatchObject([
      { outcome: 'repeat', processId },
      { outcome: 'parentEnded' },
      { outcome: 'parentEnded' },
      { outcome: 'parentEnded' },
    ]);
    expect(await first.sql('select 1 from process_live where resource_id = $1', [other.resourceId])).toEqual([]);
  });

  it('hands on what the end of its parent means', async () => {
    const rack = await parent();
    const left = await childOf(rack, 'leave');
    const other = await childOf(rack);
    await first.applied(fails(left, rack.processId));
    await first.applied(fails(other, rack.processId));
    expect(await childrenOf(rack)).toMatchObject([{ parentEnd: 'leave' }, { parentEnd: null }]);
  });

  it('that starts in the very moment its parent ends is refused or woken', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      const rack = await parent();
      const { resourceId } = await first.applied(create());
      const [begun, end] = await Promise.all([
        second.commit(beginsChild(rack, resourceId)),
        first.commit(endsEarly(rack)),
      ]);
      expect(end[0]).toMatchObject({ outcome: 'applied' });
      const children = await childrenOf(rack);
      if (begun[0]!.outcome === 'parentEnded') expect(children).toEqual([]);
      else expect(children, `round ${round}`).toMatchObject([{ parentEnd: 'ended', due: true }]);
      seen.add(begun[0]!.outcome);
    }
    expect(seen).toContain('applied');
  });

  it('that fails into another process in the very moment its parent ends leaves none behind', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const rack = await live();
      await first.sql(`update process_live set status = 'waitingChildren' where id = $1`, [rack.processId]);
      const one = await childOf(rack);
      await first.sql(`update process_live set status = 'dispatched' where id = $1`, [rack.processId]);
      const [, end] = await Promise.all([second.commit(fails(one, rack.processId)), first.commit(endsEarly(rack))]);
      expect(end[0]).toMatchObject({ outcome: 'applied' });
      expect(await childrenOf(rack), `round ${round}`).toMatchObject([{ parentEnd: 'ended', due: true }]);
    }
  });
});

it('crossing batches of two stores never deadlock: parents and children are locked in one order', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const racks = await Promise.all([parent(), parent(), parent()]);
    const children = await Promise.all(racks.flatMap((rack) => [childOf(rack), childOf(rack), childOf(rack)]));
    const rackOf = (i: number): Live => racks[Math.floor(i / 3)]!;
    const ends = children.map((child, i) =>
      finish(child.resourceId, child.processId, 1, 'active', { wakeParent: rackOf(i).processId }),
    );
    await Promise.all([
      first.commit(...ends.filter((_, i) => i % 2 === 0), endsEarly(racks[2]!)),
      second.commit(endsEarly(racks[0]!), ...ends.filter((_, i) => i % 2 === 1).toReversed(), endsEarly(racks[1]!)),
    ]);
  }
  expect(deadlocks()).toEqual([]);
});
