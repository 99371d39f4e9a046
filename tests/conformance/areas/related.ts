import { waitFor } from '@drover/testing';
import { expect } from 'vitest';
import { area, inProcess, scenario } from '../scenario.js';
import { failedForGood, type Handler, type Reply, SILENT, type Thing, type World } from '../world.js';

const DISK = 'fields: { thingId: { type: reference, to: thing, update: true } }';

/** A thing with some disks; `run` of the thing does `related` with them. */
async function withDisks(world: World, related: string, count: number, replies?: Reply[], more = '') {
  await world.declare(`
    relationships: { disks: { list: disk, by: thingId } }
    processes: { run: { related: [${related}] ${more} } }`);
  await world.declare(DISK, 'disk');
  const spinner = replies === undefined ? null : await world.handler('spinner', 'disk.run', replies);
  const thing = await world.create();
  const disks = await Promise.all(Array.from({ length: count }, () => world.create({ thingId: thing.id }, 'disk')));
  return { thing, disks, spinner };
}

/** Its handler has heard that so many attempts are not wanted any more. */
const told = (handler: Handler | null, count: number): Promise<unknown> =>
  waitFor(() => handler!.program.cancels.length === count, { what: `${count} cancel notices`, timeoutMillis: 30_000 });

const states = (things: Thing[]) => Promise.all(things.map(async (thing) => (await thing.read())['state']));

export const related = area(
  'Related work',
  'A process may run processes on related resources as its children, wait for them, and see related resources in its events.',
  scenario(
    'children run before the handlers, and the parent goes on when all have ended',
    {
      given: 'a thing with three disks, and `related: [{forEach: disks, process: run}]`',
      when: '`run` of the thing is started',
      then: 'all disks are in ran when the handler of the thing is asked',
    },
    async (world) => {
      const { thing, disks } = await withDisks(world, '{ forEach: disks, process: run }', 3, [{}]);
      let seen: unknown[] = [];
      await world.handler('a', 'run', [
        async () => {
          seen = await states(disks);
          return {};
        },
      ]);
      const process = await thing.runs('run');
      expect((await process.read())['exitReason']).toBe('DONE');
      expect(seen).toEqual(['ran', 'ran', 'ran']);
    },
  ),
  scenario(
    'children are process instances of their own that name their parent',
    {
      given: 'a thing with two disks',
      when: '`run` of the thing has ended',
      then: 'its children are the two `run`s of the disks, each with its parentId',
    },
    async (world) => {
      const { thing } = await withDisks(world, '{ forEach: disks, process: run }', 2);
      const process = await thing.runs('run');
      const { data } = await world.suite.api.get(`/processinstances?parentId=${process.id}`);
      expect(data).toMatchObject([
        { parentId: process.id, processName: world.processes('disk.run') },
        { parentId: process.id, processName: world.processes('disk.run') },
      ]);
    },
  ),
  scenario(
    '`when: after` runs the children behind the handlers',
    {
      given: 'a thing with a disk, and `when: after`',
      when: 'the handler of the thing is asked',
      then: 'the disk is still in inactive; it is in ran when the thing is done',
    },
    async (world) => {
      const { thing, disks } = await withDisks(world, '{ forEach: disks, process: run, when: after }', 1);
      let seen: unknown[] = [];
      await world.handler('a', 'run', [
        async () => {
          seen = await states(disks);
          return {};
        },
      ]);
      await thing.runs('run');
      expect(seen).toEqual(['inactive']);
      expect(await states(disks)).toEqual(['ran']);
    },
  ),
  scenario(
    '`when: with` runs children and handlers at the same time',
    {
      given: 'a thing with a disk, `when: with`, and handlers of both that wait for each other',
      when: '`run` of the thing is started',
      then: 'both are asked before either has answered, and the process ends when both have',
    },
    async (world) => {
      const { thing, spinner } = await withDisks(world, '{ forEach: disks, process: run, when: with }', 1, [SILENT]);
      const handler = await world.handler('a', 'run');
      const process = await thing.act('run');
      const [own, disk] = [await handler.asked(), await spinner!.asked()];
      own.reply({});
      disk.reply({});
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    '`order: sequence` runs one child at a time',
    {
      given: 'a thing with three disks, and `order: sequence`',
      when: 'the children run',
      then: 'a child is asked only when the one before it has ended',
    },
    async (world) => {
      const { thing, spinner } = await withDisks(world, '{ forEach: disks, process: run, order: sequence }', 3, [
        SILENT,
      ]);
      const process = await thing.act('run');
      for (let i = 1; i <= 3; i++) {
        const delivery = await spinner!.asked(i);
        expect(spinner!.events).toHaveLength(i);
        delivery.reply({});
      }
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'a related resource that is in the done state already counts as done',
    {
      given: 'a thing with two disks, of which one is in ran',
      when: '`run` of the thing is started',
      then: 'only the other disk runs, and the process is done',
    },
    async (world) => {
      const { thing, disks, spinner } = await withDisks(world, '{ forEach: disks, process: run }', 2, [{}]);
      await disks[0]!.runs('run');
      const process = await thing.runs('run');
      expect((await process.read())['exitReason']).toBe('DONE');
      expect(spinner!.events.map(({ resourceId }) => resourceId)).toEqual([disks[0]!.id, disks[1]!.id]);
    },
  ),
  scenario(
    'a parked child keeps its parent waiting, and why names it first',
    {
      given: 'a thing whose only disk fails for good',
      when: '`run` of the thing is started',
      then: 'the parent is waitingChildren, its why names the parked child and its error; mended, both go on',
    },
    async (world) => {
      const { thing, disks, spinner } = await withDisks(world, '{ forEach: disks, process: run }', 1, [
        failedForGood('no spindle'),
      ]);
      const process = await thing.act('run');
      await disks[0]!.until({ transitioning: 'error' });
      await process.until({ status: 'waitingChildren' });
      expect(await thing.whyProcess()).toMatchObject({
        status: 'waitingChildren',
        children: { count: 1, data: [{ resourceId: disks[0]!.id, status: 'parked', message: 'no spindle' }] },
      });
      spinner!.answers({});
      await (await disks[0]!.processOf('run')).operate('retry');
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'a child that ended without success fails the step, unless failures are ignored',
    {
      given: 'two things whose disk fails into broken, one with `onFailure: ignore`',
      when: '`run` of both is started',
      then: 'the one is parked with ChildFailed, the other one is done',
    },
    async (world) => {
      for (const [onFailure, expected] of [
        ['fail', 'PARKED'],
        ['ignore', 'DONE'],
      ] as const) {
        const [name, diskName] = [`thing${onFailure}`, `disk${onFailure}`];
        await world.declare(
          `
          relationships: { disks: { list: ${diskName}, by: thingId } }
          processes: { run: { related: [{ forEach: disks, process: run, onFailure: ${onFailure} }] } }`,
          name,
        );
        await world.declare(
          `
          fields: { thingId: { type: reference, to: ${name} } }
          processes: { run: { onError: fail } }`,
          diskName,
        );
        if (onFailure === 'fail') await world.declare();
        await world.handler(`spin-${onFailure}`, `${diskName}.run`, [failedForGood('no spindle')]);
        const thing = await world.create({}, name);
        await world.create({ thingId: thing.id }, diskName);
        const process = await thing.act('run');
        expect(await process.ended()).toBe(expected);
        if (expected === 'PARKED') expect(await process.read()).toMatchObject({ error: { code: 'ChildFailed' } });
      }
    },
  ),
  scenario(
    'a cancel of the parent cancels its children first',
    {
      given: 'a thing whose disk is at work',
      when: '`run` of the thing is cancelled, and the handler of the disk answers',
      then: 'the handler of the disk heard a notice; the disk is back in inactive, and so is the thing',
    },
    async (world) => {
      const { thing, disks, spinner } = await withDisks(world, '{ forEach: disks, process: run }', 1, [SILENT]);
      const process = await thing.act('run');
      const delivery = await spinner!.asked();
      await process.until({ status: 'waitingChildren' });
      await process.operate('cancel');
      await expect.poll(() => spinner!.program.cancels.length, { timeout: 10_000 }).toBe(1);
      delivery.reply({});
      expect(await process.ended()).toBe('CANCELED');
      expect(await states([thing, ...disks])).toEqual(['inactive', 'inactive']);
    },
  ),
  scenario(
    'force of a parent cancels its children, and theirs',
    {
      given: 'a thing with a disk with a platter, each waiting for the next, whose handler is at work',
      when: '`run` of the thing is forced to inactive, and the handler answers its cancel notice',
      then: 'platter and disk are cancelled and back in inactive; the record of the disk says ParentEnded',
    },
    async (world) => {
      await world.declare(`
        relationships: { disks: { list: disk, by: thingId } }
        processes: { run: { related: [{ forEach: disks, process: run }] } }`);
      await world.declare(
        `${DISK}
relationships: { platters: { list: platter, by: diskId } }
processes: { run: { related: [{ forEach: platters, process: run }] } }`,
        'disk',
      );
      await world.declare('fields: { diskId: { type: reference, to: disk } }', 'platter');
      const spinner = await world.handler('spinner', 'platter.run');
      const thing = await world.create();
      const disk = await world.create({ thingId: thing.id }, 'disk');
      const platter = await world.create({ diskId: disk.id }, 'platter');
      const process = await thing.act('run');
      const delivery = await spinner.asked();
      await process.operate('force', { state: 'inactive' });
      await told(spinner, 1);
      delivery.reply({});
      for (const one of [disk, platter]) {
        const child = await one.processOf('run');
        expect(await child.ended()).toBe('CANCELED');
        expect(await one.read()).toMatchObject({ state: 'inactive', transitioning: 'no' });
      }
      const codes = async (one: Thing) =>
        (await (await one.processOf('run')).steps()).map(({ error }) => (error as { code?: string } | null)?.code);
      expect(await codes(disk)).toContain('ParentEnded');
    },
  ),
  scenario(
    'a parent that fails into its onError, or is pre-empted, has its children cancelled',
    {
      given: 'two things with a disk at work beside the handler (`when: with`), one of them with `onError: fail`',
      when: 'the handler of the one fails for good, and `stop` pre-empts the other one',
      then: 'both disks are told, and back in inactive when their handler has answered',
    },
    async (world) => {
      const { thing, disks, spinner } = await withDisks(
        world,
        '{ forEach: disks, process: run, when: with }',
        1,
        [SILENT],
        ', onError: fail',
      );
      await world.handler('a', 'run', [
        ({ resourceId }) => (resourceId === thing.id ? failedForGood('no power') : SILENT),
      ]);
      const other = await world.create();
      const otherDisk = await world.create({ thingId: other.id }, 'disk');
      await other.act('run');
      await spinner!.asked(1);
      await other.act('stop');
      await thing.act('run');
      await spinner!.asked(2);
      await told(spinner, 2);
      for (const delivery of spinner!.program.deliveries) delivery.reply({});
      for (const disk of [...disks, otherDisk]) {
        expect(await (await disk.processOf('run')).ended()).toBe('CANCELED');
        expect((await disk.read())['state']).toBe('inactive');
      }
      await thing.until({ state: 'broken' });
    },
  ),
  scenario(
    '`onParentEnd: leave` leaves the children at work',
    {
      given: 'a thing whose disk is at work, with `onParentEnd: leave`',
      when: '`run` of the thing is forced to inactive, and then the handler of the disk answers',
      then: 'the disk is in ran, and its handler heard of no cancel',
    },
    async (world) => {
      const { thing, disks, spinner } = await withDisks(
        world,
        '{ forEach: disks, process: run, onParentEnd: leave }',
        1,
        [SILENT],
      );
      const process = await thing.act('run');
      const delivery = await spinner!.asked();
      await process.operate('force', { state: 'inactive' });
      delivery.reply({});
      await disks[0]!.until({ state: 'ran' });
      expect(spinner!.program.cancels).toEqual([]);
    },
  ),
  scenario(
    'a parked parent is live, and keeps its children',
    {
      given: 'a thing with a disk at work beside its handler',
      when: 'the handler of the thing fails for good, and then that of the disk answers',
      then: 'the thing is parked, and the disk in ran',
    },
    async (world) => {
      const { thing, disks, spinner } = await withDisks(world, '{ forEach: disks, process: run, when: with }', 1, [
        SILENT,
      ]);
      await world.handler('a', 'run', [failedForGood('no power')]);
      await thing.act('run');
      const delivery = await spinner!.asked();
      await thing.until({ transitioning: 'error' });
      delivery.reply({});
      await disks[0]!.until({ state: 'ran' });
      expect(spinner!.program.cancels).toEqual([]);
    },
  ),
  scenario(
    '`include` sends related resources along in the event',
    {
      given: 'a thing with two disks, and `include: [disks]`',
      when: 'its handler is asked',
      then: 'the event has `related.disks` with both',
    },
    async (world) => {
      await world.declare(`
        relationships: { disks: { list: disk, by: thingId } }
        processes: { run: { include: [disks] } }`);
      await world.declare(DISK, 'disk');
      const handler = await world.handler('a', 'run', [{}]);
      const thing = await world.create();
      const disks = [
        await world.create({ thingId: thing.id }, 'disk'),
        await world.create({ thingId: thing.id }, 'disk'),
      ];
      await thing.runs('run');
      const { related: sent } = handler.events[0] as unknown as { related: { disks: { id: string }[] } };
      expect(sent.disks.map(({ id }) => id).toSorted()).toEqual(disks.map(({ id }) => id).toSorted());
    },
  ),
  scenario(
    '`refuseWhile` refuses a start while a relation is not empty',
    {
      given: 'a thing with a disk, and `remove` with `refuseWhile: [disks]`',
      when: 'the thing is removed; and again when the disk is removed',
      then: 'the first is 422 ActionNotAvailable and names the disk, the second one works',
    },
    async (world) => {
      await world.declare(`
        relationships: { disks: { list: disk, by: thingId } }
        processes: { remove: { refuseWhile: [disks] } }`);
      await world.declare(DISK, 'disk');
      const thing = await world.create();
      const disk = await world.create({ thingId: thing.id }, 'disk');
      const refusal = await world.refused(thing.act('remove'));
      expect(refusal).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
      expect(refusal.message).toContain(disk.id);
      await disk.runs('remove');
      await thing.runs('remove');
      expect((await thing.read())['state']).toBe('removed');
    },
  ),
  scenario(
    '`refuseWhile` holds for chains and delegates, too',
    {
      given:
        'two things with a disk; `remove` has `refuseWhile: [disks]`, `run` chains to it and `stop` delegates to it',
      when: '`run` of the one and `stop` of the other one have done their work',
      then: 'the one is parked with HandlerDataRefused, which names the disk; the other one rests in stopped, and its record says NoDelegate',
    },
    async (world) => {
      await world.declare(`
        relationships: { disks: { list: disk, by: thingId } }
        processes:
          run: { start: [inactive, ran] }
          stop: { start: [inactive], delegate: { to: remove, always: true } }
          remove: { refuseWhile: [disks] }`);
      await world.declare(DISK, 'disk');
      await world.handler('a', 'run', [{ chainProcess: `${world.type()}.remove` }]);
      const things = [await world.create(), await world.create()] as const;
      const disks = [
        await world.create({ thingId: things[0].id }, 'disk'),
        await world.create({ thingId: things[1].id }, 'disk'),
      ] as const;
      const chained = await things[0].runs('run');
      const { error } = await chained.read();
      expect(error).toMatchObject({ code: 'HandlerDataRefused' });
      expect((error as { message: string }).message).toContain(disks[0].id);
      const delegated = await things[1].runs('stop');
      expect((await things[1].read())['state']).toBe('stopped');
      expect((await delegated.steps()).at(-1)).toMatchObject({ error: { code: 'NoDelegate' } });
      await disks[0].runs('remove');
      await chained.operate('retry');
      await things[0].until({ state: 'removed' });
    },
  ),
  scenario(
    'a declared relationship is a link',
    {
      given: 'a thing with the relationship disks, and two disks',
      when: 'the link `disks` of the thing is followed',
      then: 'the collection holds both disks',
    },
    async (world) => {
      const { thing, disks } = await withDisks(world, '{ forEach: disks, process: run }', 2);
      const { data } = await world.suite.api.get(`${thing.path}/disks`);
      expect((data as { id: string }[]).map(({ id }) => id).toSorted()).toEqual(disks.map(({ id }) => id).toSorted());
    },
  ),
  inProcess(
    'the result of a handler inside the engine may ask for related work, which is done behind its step',
    {
      given: 'a thing with two disks, a handler inside the engine, and one over NATS behind it',
      when: 'the first one answers `{"related": [{"forEach": "disks", "process": "run"}]}`',
      then: 'both disks run as children of the process, before the second handler is asked',
    },
    async (world) => {
      await world.declare('relationships: { disks: { list: disk, by: thingId } }');
      await world.declare(DISK, 'disk');
      const thing = await world.create();
      const make = () => world.create({ thingId: thing.id }, 'disk');
      const disks = [await make(), await make()];
      let seen: unknown[] = [];
      const look = async () => {
        seen = await states(disks);
        return {};
      };
      await world.handler('late', 'run', [look], { priority: 1_100 });
      const process = await thing.runs('run', { script: [{ related: [{ forEach: 'disks', process: 'run' }] }] });
      expect(await process.read()).toMatchObject({ exitReason: 'DONE' });
      expect(seen).toEqual(['ran', 'ran']);
      const { data } = await world.suite.api.get(`/processinstances?parentId=${process.id}`);
      expect(data).toHaveLength(2);
    },
  ),
  inProcess(
    'related work of a result that names no relationship is a failure that names it',
    {
      given: 'a thing without relationships, and a handler inside the engine',
      when: 'it answers with related work for `shelves`',
      then: 'the step has failed for good with HandlerDataRefused, which names `shelves`',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create();
      const process = await thing.runs('run', { script: [{ related: [{ forEach: 'shelves', process: 'run' }] }] });
      const message = expect.stringContaining('shelves') as unknown;
      expect(await process.read()).toMatchObject({ status: 'parked', error: { code: 'HandlerDataRefused', message } });
    },
  ),
  scenario(
    'a reply over NATS cannot ask for related work',
    {
      given: 'a handler over NATS at work',
      when: 'it answers with `related`, and then properly',
      then: 'the first answer is rejected like any unknown key, and the second one counts',
    },
    async (world) => {
      await withDisks(world, '', 0);
      const handler = await world.handler('a', 'run');
      const { process } = await world.running();
      const delivery = await handler.asked();
      delivery.reply({ related: [{ forEach: 'disks', process: 'run' }] });
      delivery.reply({});
      expect(await process.ended()).toBe('DONE');
      expect((await process.steps()).map(({ outcome }) => outcome)).toEqual(['rejected', 'done']);
    },
  ),
);
