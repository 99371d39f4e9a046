import { randomUUID } from 'node:crypto';
import type { ProcessView, ResourceRow } from '@drover/contracts';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@drover/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, Cluster, late, never } from '../support/index.js';

const MODULE = fileURLToPath(new URL('fixtures/handlers.mjs', import.meta.url));

/** A rack with disks; `related` is what starting the rack does with them. Names are the test's own: all share one cluster. */
const rack = (name: string, related: string, more = ''): string => `
  name: ${name}
  relationships: { disks: { list: ${name}Disk, by: rackId } }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [started, failed]
  processes:
    start: { start: [inactive], transitioning: starting, done: started, retry: { maxAttempts: 1 }, related: [${related}] ${more} }
    fail: { start: [starting, inactive], transitioning: failing, done: failed }`;

/** As a disk whose failed spin goes on into another process, so that it ends. */
const breaking = (name: string): string =>
  disk(name)
    .replace(
      'spin: {',
      'broken: { start: [spinning], transitioning: breaking, done: broken }\n    spin: { onError: broken,',
    )
    .replace('remove: { start: [', 'remove: { start: [broken, ');

const disk = (name: string): string => `
  name: ${name}Disk
  fields: { rackId: { type: reference, to: ${name} } }
  defaultProcesses: { exclude: [activate, deactivate] }
  processes:
    spin: { start: [inactive], transitioning: spinning, done: spun, retry: { maxAttempts: 1 } }
    halt: { start: [spun], transitioning: halting, done: inactive }
    remove: { start: [inactive, spun], transitioning: removing, done: removed }`;

describe('related work', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start({ env: { DROVER_HANDLERS: MODULE } })));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  async function make(
    name: string,
    related: string,
    count: number,
    options: { more?: string; answer?: Answer } = {},
  ): Promise<{ rackId: number; diskIds: number[]; spinner: Awaited<ReturnType<Cluster['handler']>> }> {
    const { client } = cluster;
    await client.define(rack(name, related, options.more));
    await client.define(disk(name));
    const spinner = await cluster.handler(`${name}-spinner`, {
      processes: `${name}disk.spin`,
      ...(options.answer === undefined ? {} : { answer: options.answer }),
    });
    const rackId = await client.rested(name);
    const type = (await client.read(rackId)).type;
    const made = await Promise.all(
      Array.from({ length: count }, () => client.create(`${name}Disk`, { rackId: `1${prefix(type)}${rackId}` })),
    );
    await Promise.all(made.map(({ processId }) => client.ended(processId!)));
    return { rackId, diskIds: made.map(({ resource }) => resource.id), spinner };
  }

  const prefix = (type: string): string => (type.charAt(0) + type.slice(1).replace(/[^A-Z]/g, '')).toLowerCase();
  const states = (ids: number[]): Promise<ResourceRow['state'][]> =>
    Promise.all(ids.map(async (id) => (await cluster.client.read(id)).state));

  async function spins(diskIds: number[]): Promise<ProcessView[]> {
    const processes = await Promise.all(diskIds.map((id) => cluster.client.processesOf(id)));
    return processes.flat().filter(({ name }) => name.endsWith('.spin'));
  }

  it('twenty in parallel: all under way at once, the parent goes on when the last has ended', async () => {
    const { client } = cluster;
    const { rackId, diskIds, spinner } = await make('para', '{ forEach: disks, process: spin }', 20, { answer: never });
    const { processId } = await client.start('para.start', rackId);
    await spinner.sent(20);
    await client.until(rackId, { message: 'waiting for paradisk.spin of disks' });
    spinner.deliveries.slice(1).forEach((delivery) => delivery.reply({}));
    await client.until(diskIds.at(-1)!, { state: 'spun' });
    expect((await client.read(rackId)).state).toBe('starting');
    spinner.deliveries[0]!.reply({});
    await client.until(rackId, { state: 'started' }, { timeoutMillis: 5_000 });
    expect(new Set(await states(diskIds))).toEqual(new Set(['spun']));
    const children = await spins(diskIds);
    expect(children).toHaveLength(20);
    expect(children.every((child) => child.parentId === processId)).toBe(true);
  });

  it('twenty in sequence: never two at once, in the order of their numbers', async () => {
    const { client } = cluster;
    const related = '{ forEach: disks, process: spin, order: sequence }';
    const { rackId, diskIds, spinner } = await make('seq', related, 20);
    await client.start('seq.start', rackId);
    await client.until(rackId, { state: 'started' }, { timeoutMillis: 20_000 });
    const runs = (await spins(diskIds)).sort((a, b) => a.startTime - b.startTime || a.id - b.id);
    expect(runs.map(({ resourceId }) => resourceId)).toEqual([...diskIds].sort((a, b) => a - b));
    runs.slice(1).forEach((run, i) => {
      const before = runs[i]!;
      expect(before.live ? Infinity : before.endTime).toBeLessThanOrEqual(run.startTime);
    });
    expect(spinner.events).toHaveLength(20);
  });

  it('what is done already, and having nothing related, count as done', async () => {
    const { client } = cluster;
    const { rackId, diskIds, spinner } = await make('ready', '{ forEach: disks, process: spin }', 2);
    await client.start('readydisk.spin', diskIds[0]!);
    await client.until(diskIds[0]!, { state: 'spun' });
    await client.start('ready.start', rackId);
    await client.until(rackId, { state: 'started' });
    expect(spinner.events).toHaveLength(2);
    const alone = await client.rested('ready');
    await client.start('ready.start', alone);
    await client.until(alone, { state: 'started' });
  });

  it('beside the handlers: both work at once, and the process ends when both have', async () => {
    const { client } = cluster;
    const related = '{ forEach: disks, process: spin, when: with }';
    const { rackId, spinner } = await make('beside', related, 3, { answer: never });
    const starter = await cluster.handler('beside-starter', { processes: 'beside.start' });
    await client.start('beside.start', rackId);
    await spinner.sent(3);
    await starter.sent(1);
    spinner.deliveries.forEach((delivery) => delivery.reply({}));
    await client.until(rackId, { state: 'started' }, { timeoutMillis: 5_000 });
  });

  it.each([
    ['weak', '{ forEach: disks, process: spin }', '', { transitioning: 'error' }],
    ['erring', '{ forEach: disks, process: spin }', ', onError: fail', { state: 'failed' }],
    ['lenient', '{ forEach: disks, process: spin, onFailure: ignore }', '', { state: 'started' }],
  ] as const)('a failing child: its parent %s', async (name, related, more, wanted) => {
    const { client } = cluster;
    await client.define(rack(name, related, more));
    await client.define(breaking(name));
    const answer: Answer = () => ({ transitioning: 'error', transitioningMessage: 'bad disk', retryable: false });
    await cluster.handler(`${name}-spinner`, { processes: `${name}disk.spin`, answer });
    const rackId = await client.rested(name);
    const made = await client.create(`${name}Disk`, { rackId: `1${prefix(name)}${rackId}` });
    await client.ended(made.processId!);
    await client.start(`${name}.start`, rackId);
    const { message } = await client.until(rackId, wanted);
    if (name === 'weak') expect(message).toMatch(/^weakdisk\.spin failed for 1 of disks: 1wd\d+: bad disk$/);
  });

  it('a parked child keeps its parent waiting, and an operator who mends it lets both go on', async () => {
    const { client } = cluster;
    let broken = true;
    const answer: Answer = () =>
      broken ? { transitioning: 'error', transitioningMessage: 'bad disk', retryable: false } : {};
    const { rackId, diskIds } = await make('stuck', '{ forEach: disks, process: spin }', 2, { answer });
    await client.start('stuck.start', rackId);
    await client.until(diskIds[0]!, { transitioning: 'error' });
    await client.until(diskIds[1]!, { transitioning: 'error' });
    const rack = await client.until(rackId, { transitioning: 'yes' });
    expect(rack.state).toBe('starting');
    await client.until(rackId, ({ message }) => /stuckdisk\.spin of 1sd\d+ is parked \(bad disk\)/.test(message ?? ''));
    broken = false;
    for (const child of await spins(diskIds)) await client.operate(child.id, 'retry');
    await client.until(rackId, { state: 'started' }, { timeoutMillis: 5_000 });
  });

  it('a cancel of the parent cancels its children first', async () => {
    const { client } = cluster;
    const { rackId, diskIds, spinner } = await make('halted', '{ forEach: disks, process: spin }', 5, {
      answer: never,
    });
    const { processId } = await client.start('halted.start', rackId);
    await spinner.sent(5);
    await client.operate(processId!, 'cancel');
    await waitFor(() => spinner.cancels.length === 5, { what: 'five cancel notices' });
    // The handlers are told, and answer; only then do the children leave, and after them their parent.
    spinner.deliveries.forEach((delivery) => delivery.reply({}));
    await client.until(rackId, { state: 'inactive', transitioning: 'no' }, { timeoutMillis: 10_000 });
    expect(new Set(await states(diskIds))).toEqual(new Set(['inactive']));
    expect(await client.process(processId!)).toMatchObject({ exitReason: 'CANCELED' });
  });

  it('an in-process handler asks for work on what its resource is related to', async () => {
    const { client } = cluster;
    const { rackId, diskIds } = await make('asking', '', 3);
    await client.start('asking.start', rackId);
    await client.until(rackId, { state: 'started' });
    expect(new Set(await states(diskIds))).toEqual(new Set(['spun']));
  });

  describe('what a process declares about its relationships', () => {
    const shelf = (more: string): string => `
      name: shelf
      fields: { floorId: { type: reference, to: shelf, nullable: true } }
      relationships: { books: { list: book, by: shelfId }, readers: { list: reader, through: loan, by: shelfId, to: readerId } }
      defaultProcesses: { exclude: [activate, deactivate] }
      processes:
        sort: { start: [inactive], transitioning: sorting, done: inactive, ${more} }
        remove: { start: [inactive], transitioning: removing, done: removed, refuseWhile: [books] }`;

    it('an event carries the included resources, and a start is refused while a relationship is not empty', async () => {
      const { client } = cluster;
      await client.define(shelf('include: [books, readers, floor]'));
      await client.define('name: book\nfields: { shelfId: { type: reference, to: shelf }, title: { type: string } }');
      await client.define('name: reader');
      await client.define(
        'name: loan\nfields: { shelfId: { type: reference, to: shelf }, readerId: { type: reference, to: reader } }',
      );
      const sorter = await cluster.handler('sorter', { processes: 'shelf.sort,shelf.remove' });
      const floorId = await client.rested('shelf');
      const { resource, processId } = await client.create('shelf', { floorId: `1s${floorId}` });
      await client.ended(processId!);
      const books = [];
      for (const title of ['Emma', 'Dubliners']) {
        const book = await client.create('book', { shelfId: `1s${resource.id}`, title });
        await client.ended(book.processId!);
        books.push(book.resource.id);
      }
      const readerId = await client.rested('reader');
      const loan = await client.create('loan', { shelfId: `1s${resource.id}`, readerId: `1r${readerId}` });
      await client.ended(loan.processId!);
      await client.start('shelf.sort', resource.id);
      await sorter.sent(1);
      expect(sorter.events[0]).toMatchObject({
        related: {
          books: [
            { id: `1b${books[0]}`, title: 'Emma', state: 'inactive' },
            { id: `1b${books[1]}`, title: 'Dubliners' },
          ],
          readers: [{ id: `1r${readerId}` }],
          floor: { id: `1s${floorId}`, type: 'shelf' },
        },
      });
      await client.until(resource.id, { state: 'inactive' });

      await expect(client.start('shelf.remove', resource.id)).rejects.toMatchObject({
        code: 'ActionNotAvailable',
        message: `shelf.remove is refused while books is not empty: 1b${books[0]} (inactive), 1b${books[1]} (inactive)`,
      });
      for (const id of books) {
        await client.start('book.remove', id);
        await client.until(id, { state: 'removed' });
      }
      const commandId = randomUUID();
      const first = await client.start('shelf.remove', resource.id, {}, commandId);
      await client.until(resource.id, { state: 'removed' });
      expect(await client.start('shelf.remove', resource.id, {}, commandId)).toMatchObject({
        processId: first.processId,
      });
      // A process that declares nothing is sent nothing.
      expect(sorter.events.at(-1)).not.toHaveProperty('related');
    });

    it('more than an event can carry fails the step, and says so', async () => {
      const { client } = cluster;
      await client.define(
        'name: pile\nrelationships: { leaves: { list: leaf, by: pileId } }\ndefaultProcesses: { exclude: [activate, deactivate] }\nprocesses: { rake: { start: [inactive], transitioning: raking, done: inactive, include: [leaves] } }',
      );
      await client.define('name: leaf\nplural: leaves\nfields: { pileId: { type: reference, to: pile } }');
      const raker = await cluster.handler('raker', { processes: 'pile.rake' });
      const pile = await client.rested('pile');
      const made = await Promise.all(Array.from({ length: 101 }, () => client.create('leaf', { pileId: `1p${pile}` })));
      await Promise.all(made.map(({ processId }) => client.ended(processId!)));
      await client.start('pile.rake', pile);
      const { message } = await client.until(pile, { transitioning: 'error' });
      expect(message).toMatch(/leaves holds more than 100 resources/);
      expect(raker.events).toEqual([]);
    });
  });

  it('an engine that is killed when a parent was forced: its children, and theirs, are cancelled all the same', async () => {
    const { client } = cluster;
    await client.define(rack('orphans', '{ forEach: disks, process: spin }'));
    await client.define(`
      name: orphansDisk
      final: [spun]
      fields: { rackId: { type: reference, to: orphans } }
      relationships: { heads: { list: orphansHead, by: diskId } }
      defaultProcesses: { exclude: [activate, deactivate] }
      processes: { spin: { start: [inactive], transitioning: spinning, done: spun, related: [{ forEach: heads, process: seek }] } }`);
    await client.define(`
      name: orphansHead
      final: [found]
      fields: { diskId: { type: reference, to: orphansDisk } }
      defaultProcesses: { exclude: [activate, deactivate] }
      processes: { seek: { start: [inactive], transitioning: seeking, done: found } }`);
    const seeker = await cluster.handler('orphans-seeker', { processes: 'orphanshead.seek', answer: never });
    const rackId = await client.rested('orphans');
    const diskIds = [
      await client.rested('orphansDisk', { rackId: `1o${rackId}` }),
      await client.rested('orphansDisk', { rackId: `1o${rackId}` }),
    ];
    const headIds = await Promise.all(diskIds.map((id) => client.rested('orphansHead', { diskId: `1od${id}` })));
    const { processId } = await client.start('orphans.start', rackId);
    await seeker.sent(2);
    await client.operate(processId!, 'force', 'inactive');
    await cluster.stack.kill('process-engine');
    await cluster.stack.restart('process-engine');
    await waitFor(() => seeker.cancels.length >= 2, { what: 'two cancel notices', timeoutMillis: 20_000 });
    seeker.deliveries.forEach((delivery) => delivery.reply({}));
    for (const id of [...headIds, ...diskIds])
      await client.until(id, { state: 'inactive', transitioning: 'no' }, { timeoutMillis: 20_000 });
    expect(await states([rackId, ...diskIds, ...headIds])).toEqual(Array(5).fill('inactive'));
  });

  it('an engine that is killed while children run: each child ran once, and the parent goes on', async () => {
    const { client } = cluster;
    const { rackId, diskIds, spinner } = await make('killed', '{ forEach: disks, process: spin }', 20, {
      answer: late(300),
    });
    const { processId } = await client.start('killed.start', rackId);
    await spinner.sent(3);
    await cluster.stack.kill('process-engine');
    await cluster.stack.restart('process-engine');
    await client.until(rackId, { state: 'started' }, { timeoutMillis: 20_000 });
    const children = await spins(diskIds);
    expect(children.map(({ resourceId }) => resourceId).sort()).toEqual([...diskIds].sort());
    expect(children.every((child) => child.parentId === processId)).toBe(true);
  });
});
