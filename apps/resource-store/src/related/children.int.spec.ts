import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memberCondition, READ_CHILDREN, readMembers } from '../sql/related.sql.js';
import { startTwoStores, type TestStore } from '../testing/start-store.js';
import { blank, create, fields, finish, schedule, start } from '../testing/transitions.js';
import { RelatedService } from './related.service.js';

let first: TestStore;
let second: TestStore;
beforeAll(async () => void ([first, second] = await startTwoStores()));
afterAll(() => first[Symbol.asyncDispose]());

interface Live {
  resourceId: number;
  processId: number;
}

async function live(
  parentId: number | null = null,
  status: 'dispatched' | 'waitingChildren' = 'dispatched',
): Promise<Live> {
  const { resourceId } = await first.applied(create());
  const parentDispatch = parentId === null ? null : 1;
  const { processId } = await first.applied(
    schedule(resourceId, { start: start({ parentId, parentDispatch, status, wakeMillis: 600_000 }) }),
  );
  return { resourceId, processId: processId! };
}

const ends = ({ resourceId, processId }: Live, parentId: number) =>
  finish(resourceId, processId, 1, 'inactive', { wakeParent: parentId });

/** The parent's own commit, in the same moment: it begins to wait, or waits on. */
const waits = ({ resourceId, processId }: Live, version = 1) =>
  blank({
    resourceId,
    processId,
    processVersion: version,
    update: fields({ status: 'waitingChildren', deadlineMillis: null, wakeMillis: 600_000 }),
  });

async function isDue({ processId }: Live): Promise<boolean> {
  const [row] = await first.sql<{ due: boolean }>(
    'select next_wake_at <= now() as due from process_live where id = $1',
    [processId],
  );
  return row!.due;
}

describe('the end of a child', () => {
  it('wakes its parent in the same transaction, and moves its version on', async () => {
    const parent = await live(null, 'waitingChildren');
    const child = await live(parent.processId);
    expect(await isDue(parent)).toBe(false);
    await first.applied(ends(child, parent.processId));
    expect(await isDue(parent)).toBe(true);
    const [outcome] = await first.commit(waits(parent));
    expect(outcome).toMatchObject({ outcome: 'conflict', process: { version: 2 } });
  });

  it('wakes nobody who does not wait', async () => {
    const parent = await live();
    const child = await live(parent.processId);
    await first.applied(ends(child, parent.processId));
    expect(await isDue(parent)).toBe(false);
    expect((await first.commit(waits(parent)))[0]).toMatchObject({ outcome: 'applied' });
  });

  it('and that of its sibling in the same moment: a wake-up is never lost, whatever the parent commits meanwhile', async () => {
    for (let round = 0; round < 60; round++) {
      const parent = await live(null, 'waitingChildren');
      const children = await Promise.all([live(parent.processId), live(parent.processId)]);
      const [a, b, own] = await Promise.all([
        first.commit(ends(children[0]!, parent.processId)),
        second.commit(ends(children[1]!, parent.processId)),
        (round % 2 === 0 ? first : second).commit(waits(parent)),
      ]);
      expect([a[0]!.outcome, b[0]!.outcome]).toEqual(['applied', 'applied']);
      expect(['applied', 'conflict']).toContain(own[0]!.outcome);
      expect(await isDue(parent), `round ${round}: the parent's own commit: ${own[0]!.outcome}`).toBe(true);
    }
  });

  it('while the parent begins to wait: it is woken, or sees the end when it looks', async () => {
    const related = second.get(RelatedService);
    for (let round = 0; round < 60; round++) {
      const parent = await live();
      const child = await live(parent.processId);
      const begin = async (): Promise<boolean> => {
        const [own] = await second.commit(waits(parent));
        expect(own!.outcome).toBe('applied');
        const seen = await related.read({
          relation: null,
          stateField: 'state',
          afterMember: 0,
          parentId: parent.processId,
          parentDispatches: [1],
          afterChild: 0,
        });
        return seen.children[0]!.exitReason !== null;
      };
      const [sawEnd] = await Promise.all([begin(), first.applied(ends(child, parent.processId))]);
      expect(sawEnd || (await isDue(parent)), `round ${round}`).toBe(true);
    }
    const deadlocks = [...first.complaints, ...second.complaints].filter(({ fields: told }) =>
      /deadlock/.test(String(told['error'])),
    );
    expect(deadlocks).toEqual([]);
  });
});

describe('what an engine reads', () => {
  it('members with what holds them, and children live and finished, page by page', async () => {
    const parent = await live(null, 'waitingChildren');
    const [one, two] = [await live(parent.processId), await live(parent.processId)];
    await first.applied(ends(two, parent.processId));
    await first.sql('update resource_data set refs = $2 where id = any ($1)', [
      [one.resourceId, two.resourceId],
      ['rackId:77'],
    ]);
    const answer = await first.get(RelatedService).read({
      relation: { kind: 'list', type: 'volume', ref: 'rackId:77' },
      stateField: 'state',
      afterMember: 0,
      parentId: parent.processId,
      parentDispatches: [1],
      afterChild: 0,
    });
    expect(answer.members).toEqual([
      { id: one.resourceId, state: 'activating', live: 'volume.activate' },
      { id: two.resourceId, state: expect.any(String) as never, live: null },
    ]);
    expect(answer.children).toMatchObject([
      { id: one.processId, resourceId: one.resourceId, status: 'dispatched', exitReason: null },
      { id: two.processId, resourceId: two.resourceId, status: null, exitReason: 'DONE' },
    ]);
    expect([answer.moreMembers, answer.moreChildren]).toEqual([false, false]);
  });

  it('is found through indexes', async () => {
    const plan = (text: string, values: unknown[]): Promise<string> =>
      first.dataSource.transaction(async (on) => {
        await on.query('set local enable_seqscan = off');
        return JSON.stringify(await on.query(`explain (format json) ${text}`, values));
      });
    const parameters: unknown[] = ['volume', 'state', 0, 10];
    const list = memberCondition({ kind: 'list', type: 'volume', ref: 'a:1' }, (value) => `$${parameters.push(value)}`);
    const members = await plan(readMembers(list), parameters);
    expect(members).toContain('resource_data_refs');
    expect(members).not.toContain('Seq Scan');
    const through: unknown[] = ['host', 'state', 0, 10];
    const many = memberCondition(
      { kind: 'through', type: 'host', through: 'map', ref: 'a:1', to: 'hostId' },
      (value) => `$${through.push(value)}`,
    );
    expect(await plan(readMembers(many), through)).toContain('resource_data_refs');
    const children = await plan(READ_CHILDREN, [1, [1], 0, 10]);
    expect(children).toContain('process_live_parent');
    expect(children).toMatch(/parent_id_parent_dispatch|process_finished_parent/);
    expect(children).not.toContain('Seq Scan');
  });
});
