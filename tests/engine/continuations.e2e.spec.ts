import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, late, never } from '../support/index.js';

describe('from one process to the next', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start()));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  /** A machine that starts, stops and reboots; create goes on into start when a result asks for it. */
  const machine = (name: string): string => `
    name: ${name}
    fields:
      box: { type: string, nullable: true }
      size: { type: int, nullable: true }
    defaultProcesses:
      rename: { registering: creating, inactive: stopped, active: running, updating-inactive: updating-stopped, updating-active: updating-running }
      renameProcess: { activate: start }
      exclude: [deactivate]
    processes:
      create: { start: [requested], transitioning: creating, done: stopped, delegate: start }
      start: { start: [stopped, creating], transitioning: starting, done: running, timeoutMillis: 5000 }
      stop: { start: [running, starting], transitioning: stopping, done: stopped }
      halt: { start: [running, starting], transitioning: stopping, done: stopped, preempt: immediate }`;

  it('a result that asks for it goes on in the delegate, as the same process, without resting', async () => {
    const { client } = cluster;
    await client.define(machine('delegated'));
    const handler = await cluster.handler('delegated-driver', {
      processes: 'delegated.create,delegated.start',
      answer: ({ process }) => (process === 'delegated.create' ? { delegate: true } : { data: { box: 'b1' } }),
    });
    const { resource, processId } = await client.create('delegated');
    expect(await client.ended(processId!)).toBe('DONE');
    expect(await client.read(resource.id)).toMatchObject({ state: 'running', data: { box: 'b1' } });
    expect(await client.moves(resource.id)).toEqual(['requested>creating', 'creating>starting', 'starting>running']);
    expect(handler.events.map(({ processId, key, process }) => [processId, key, process])).toEqual([
      [`1pi${processId}`, `1pi${processId}.handle.delegated-driver`, 'delegated.create'],
      [`1pi${processId}`, `1pi${processId}.start.handle.delegated-driver`, 'delegated.start'],
    ]);
    const { progress } = await client.process(processId!);
    expect(progress['executions']).toMatchObject([{ process: 'delegated.create', exitReason: 'DELEGATE' }, {}]);
  });

  it('without being asked for, the delegate is not taken; always takes it', async () => {
    const { client } = cluster;
    await client.define(machine('asking'));
    expect(await client.read(await cluster.client.rested('asking'))).toMatchObject({ state: 'stopped' });
    await client.define(machine('eager').replace('delegate: start', 'delegate: { to: start, always: true }'));
    expect(await client.read(await cluster.client.rested('eager'))).toMatchObject({ state: 'running' });
  });

  it('chainProcess ends one process and starts the next in the same commit', async () => {
    const { client } = cluster;
    await client.define(machine('chained'));
    await cluster.handler('chained-driver', {
      processes: 'chained.start',
      answer: () => ({ chainProcess: 'chained.stop', data: { size: 4 } }),
    });
    const id = await cluster.client.rested('chained');
    const { processId } = await client.start('chained.start', id);
    await client.until(id, { state: 'stopped' });
    await expect
      .poll(() => client.processesOf(id))
      .toMatchObject([
        { name: 'chained.create', exitReason: 'DONE' },
        { name: 'chained.start', exitReason: 'CHAIN', id: processId },
        { name: 'chained.stop', exitReason: 'DONE' },
      ]);
    expect((await client.moves(id)).slice(2)).toEqual(['stopped>starting', 'starting>stopping', 'stopping>stopped']);
    expect((await client.read(id)).data['size']).toBe(4);
  });

  it('a chain to what is done where the process ends is a success: ALREADY_DONE, with no further process', async () => {
    const { client } = cluster;
    await client.define(machine('settled'));
    await cluster.handler('settled-driver', {
      processes: 'settled.stop',
      answer: () => ({ chainProcess: 'settled.create', delegate: true, data: { size: 4 } }),
    });
    const id = await cluster.client.rested('settled');
    await client.ended((await client.start('settled.start', id)).processId!);
    const { processId } = await client.start('settled.stop', id);
    expect(await client.ended(processId!)).toBe('ALREADY_DONE');
    expect(await client.read(id)).toMatchObject({ state: 'stopped', transitioning: 'no', data: { size: 4 } });
    const view = await client.process(processId!);
    expect(view).toMatchObject({ exitReason: 'ALREADY_DONE' });
    expect(view.progress['steps']).toMatchObject([{ outcome: 'done', error: { code: 'NoDelegate' } }]);
    expect((await client.processesOf(id)).map(({ name }) => name)).toEqual([
      'settled.create',
      'settled.start',
      'settled.stop',
    ]);
  });

  it('a chain to nothing, or to what cannot start there, is the failure of its handler', async () => {
    const { client } = cluster;
    await client.define(machine('lost'));
    const handler = await cluster.handler('lost-driver', {
      processes: 'lost.start',
      answer: () => ({ chainProcess: 'lost.vanish', data: { size: 4 } }),
    });
    const id = await cluster.client.rested('lost');
    const { processId } = await client.start('lost.start', id);
    expect(await client.ended(processId!)).toBe('PARKED');
    expect(handler.events).toHaveLength(1);
    expect(await client.read(id)).toMatchObject({
      transitioning: 'error',
      message: expect.stringContaining('lost.vanish'),
      data: expect.not.objectContaining({ size: 4 }),
    });
  });

  describe('pre-emption', () => {
    it('tells the running handler, waits for its answer, and shows what it made to the next', async () => {
      const { client } = cluster;
      await client.define(machine('torn'));
      const starter = await cluster.handler('torn-starter', { processes: 'torn.start', answer: never });
      const stopper = await cluster.handler('torn-stopper', { processes: 'torn.stop' });
      const id = await cluster.client.rested('torn');
      const start = await client.start('torn.start', id);
      const [event] = await starter.sent(1);

      const stop = await client.start('torn.stop', id);
      expect(stop.resource).toMatchObject({ state: 'stopping' });
      expect(await client.ended(start.processId!)).toBe('CANCELED');
      await expect.poll(() => starter.cancels).toMatchObject([{ id: event!.id, key: event!.key }]);
      await late(300)(event!, starter.deliveries[0]!);
      expect(stopper.events).toHaveLength(0);

      starter.deliveries[0]!.reply({ data: { box: 'half-made' } });
      expect(await client.ended(stop.processId!)).toBe('DONE');
      expect(stopper.events).toMatchObject([{ attempt: 1, resource: { state: 'stopping', box: 'half-made' } }]);
      expect(await client.read(id)).toMatchObject({ state: 'stopped', data: { box: 'half-made' } });
      expect(await client.process(start.processId!)).toMatchObject({ exitReason: 'CANCELED' });
    });

    it('waits no longer than the cancelled attempt had time', async () => {
      const { client } = cluster;
      await client.define(machine('hung'));
      await cluster.handler('hung-starter', { processes: 'hung.start', timeoutMillis: 1_200, answer: never });
      const stopper = await cluster.handler('hung-stopper', { processes: 'hung.stop' });
      const id = await cluster.client.rested('hung');
      const started = Date.now();
      await client.start('hung.start', id);
      const { processId } = await client.start('hung.stop', id);
      expect(await client.ended(processId!)).toBe('DONE');
      const waited = stopper.deliveries[0]!.receivedAt - started;
      expect(waited).toBeGreaterThanOrEqual(1_150);
      expect(waited).toBeLessThan(3_500);
    });

    it('an error is an answer, too', async () => {
      const { client } = cluster;
      await client.define(machine('wry'));
      const starter = await cluster.handler('wry-starter', { processes: 'wry.start', answer: never });
      const stopper = await cluster.handler('wry-stopper', { processes: 'wry.stop' });
      const id = await cluster.client.rested('wry');
      await client.start('wry.start', id);
      await starter.sent(1);
      const { processId } = await client.start('wry.stop', id);
      starter.deliveries[0]!.reply({ transitioning: 'error', transitioningMessage: 'was told to stop' });
      expect(await client.ended(processId!)).toBe('DONE');
      expect(stopper.events).toHaveLength(1);
    });

    it('with preempt: immediate the next handler starts at once, and the late answer changes nothing', async () => {
      const { client } = cluster;
      await client.define(machine('rash'));
      const starter = await cluster.handler('rash-starter', { processes: 'rash.start', answer: never });
      const halter = await cluster.handler('rash-halter', { processes: 'rash.halt' });
      const id = await cluster.client.rested('rash');
      await client.start('rash.start', id);
      await starter.sent(1);
      const { processId } = await client.start('rash.halt', id);
      expect(await client.ended(processId!)).toBe('DONE');
      expect(halter.events).toHaveLength(1);
      starter.deliveries[0]!.reply({ data: { box: 'too late' } });
      await late(300)(starter.events[0]!, starter.deliveries[0]!);
      expect((await client.read(id)).data['box'] ?? null).toBeNull();
    });
  });

  it('parallel regions move on their own, one live process in each; removed ends them all', async () => {
    const { client } = cluster;
    await client.define(`
      name: doubled
      stateFields: { power: { initial: 'off' } }
      fields: { size: { type: int, nullable: true }, box: { type: string, nullable: true } }
      processes:
        powerup: { stateField: power, start: ['off'], transitioning: rising, done: 'on' }
        powerdown: { stateField: power, start: ['on', rising], transitioning: falling, done: 'off' }`);
    const power = await cluster.handler('doubled-power', {
      processes: 'doubled.powerup,doubled.powerdown',
      answer: never,
    });
    const main = await cluster.handler('doubled-main', { processes: 'doubled.activate', answer: never });
    const id = await cluster.client.rested('doubled');
    const up = await client.start('doubled.powerup', id);
    const activate = await client.start('doubled.activate', id);
    await expect(client.start('doubled.powerup', id)).rejects.toMatchObject({ code: 'ActionNotAvailable' });
    expect(await client.read(id)).toMatchObject({
      state: 'activating',
      transitioning: 'yes',
      regions: { power: { state: 'rising', transitioning: 'yes' } },
    });
    await Promise.all([power.sent(1), main.sent(1)]);
    // Both answer at the same moment: neither's data is lost.
    power.deliveries[0]!.reply({ data: { size: 5 } });
    main.deliveries[0]!.reply({ data: { box: 'm' } });
    expect(await client.ended(up.processId!)).toBe('DONE');
    expect(await client.ended(activate.processId!)).toBe('DONE');
    expect(await client.read(id)).toMatchObject({
      state: 'active',
      regions: { power: { state: 'on', transitioning: 'no' } },
      data: { size: 5, box: 'm' },
    });

    const down = await client.start('doubled.powerdown', id);
    await power.sent(2);
    const off = await client.start('doubled.deactivate', id);
    await client.ended(off.processId!);
    const { processId } = await client.start('doubled.remove', id);
    expect(await client.ended(processId!)).toBe('DONE');
    expect(await client.read(id)).toMatchObject({ state: 'removed', removed: expect.any(Number) });
    expect(await client.process(down.processId!)).toMatchObject({ live: false, exitReason: 'CANCELED' });
  });
});
