import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork } from '../situations.js';
import { SILENT } from '../world.js';

export const scheduling = area(
  'Scheduling',
  'A start moves the resource, stores the process and writes history and feed in one transaction, or it is refused.',
  scenario(
    'a start that was answered is durable: the resource is in its transitioning state',
    {
      given: 'a resource in inactive',
      when: '`run` is started',
      then: 'the answer shows state running, transitioning yes, and the process instance',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [SILENT]);
      const thing = await world.create();
      const answer = await world.suite.api.post(`${thing.path}?action=run`);
      expect(answer).toMatchObject({ state: 'running', transitioning: 'yes' });
      expect(String((answer['links'] as Record<string, string>)['processInstance'])).toContain('/processinstances/1pi');
    },
  ),
  scenario(
    'a create inserts the resource and starts its create process in one transaction',
    {
      given: 'a type with a create process',
      when: 'a resource is created',
      then: 'the answer shows it in the transitioning state already, at its first revision',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'create', [SILENT]);
      const thing = await world.createOnly();
      expect(thing.created).toMatchObject({ state: 'registering', transitioning: 'yes', revision: 1 });
      expect(await thing.creation.read()).toMatchObject({ processName: world.processes('create'), endTime: null });
    },
  ),
  scenario(
    'a start from the wrong state is refused with the present state and the legal actions',
    {
      given: 'a resource in inactive, from which `stop` may not start',
      when: '`stop` is started',
      then: '422 ActionNotAvailable names inactive, and run and remove; nothing has changed',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create();
      const { revision } = await thing.read();
      const refusal = await world.refused(thing.act('stop'));
      expect(refusal).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
      for (const word of ['inactive', 'run', 'remove']) expect(refusal.message).toContain(word);
      expect((await thing.read())['revision']).toBe(revision);
    },
  ),
  scenario(
    'a start in the done state is refused like any other wrong state',
    {
      given: 'a resource that rests in ran',
      when: 'a client starts `run` again',
      then: '422 ActionNotAvailable: ALREADY_DONE is for chains, children and goals, not for a client',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create();
      await thing.runs('run');
      expect(await world.refused(thing.act('run'))).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
    },
  ),
  scenario(
    'the same process does not start twice',
    {
      given: 'a resource on which `run` is at work',
      when: '`run` is started again',
      then: '422 ActionNotAvailable, and the handler was asked once',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world);
      expect(await world.refused(thing.act('run'))).toMatchObject({ code: 'ActionNotAvailable' });
      delivery.reply({});
      await process.ended();
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'actions are listed exactly where their process may start',
    {
      given: 'a resource',
      when: 'it rests in inactive, is running, and rests in ran',
      then: 'its actions are run, fail and remove; stop and fail; stop and remove',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run');
      const thing = await world.create();
      const actions = async () => Object.keys((await thing.read())['actions'] as object).toSorted();
      expect(await actions()).toEqual(['fail', 'remove', 'run']);
      const process = await thing.act('run');
      const delivery = await handler.asked();
      expect(await actions()).toEqual(['fail', 'stop']);
      delivery.reply({});
      await process.ended();
      expect(await actions()).toEqual(['remove', 'stop']);
    },
  ),
  scenario(
    'of many simultaneous starts, one wins',
    {
      given: 'a resource in inactive',
      when: 'ten clients start `run` at once',
      then: 'one is accepted, nine are 422 ActionNotAvailable, and the handler is asked once',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run', [{}]);
      const thing = await world.create();
      const answers = await Promise.allSettled(Array.from({ length: 10 }, () => thing.act('run')));
      const refusals = answers.filter((answer) => answer.status === 'rejected');
      expect(refusals).toHaveLength(9);
      for (const { reason } of refusals) expect(reason).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
      await thing.until({ state: 'ran' });
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'a start with an Idempotency-Key happens once',
    {
      given: 'a resource in inactive',
      when: '`run` is started three times with one key, before and after its end',
      then: 'all three name the same process, and it ran once',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run', [{}]);
      const thing = await world.create();
      const headers = { 'idempotency-key': `run-${thing.id}` };
      const [first, second] = await Promise.all([thing.act('run', {}, headers), thing.act('run', {}, headers)]);
      await first.ended();
      const third = await thing.act('run', {}, headers);
      expect(new Set([first.id, second.id, third.id]).size).toBe(1);
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'a create with an Idempotency-Key makes one resource',
    {
      given: 'a type',
      when: 'a resource is created twice with one key',
      then: 'both answers show the same id',
    },
    async (world) => {
      await world.declare();
      const headers = { 'idempotency-key': `create-${world.type()}` };
      const [first, second] = [
        await world.createOnly({ name: 'one' }, 'thing', headers),
        await world.createOnly({ name: 'one' }, 'thing', headers),
      ];
      expect(second.id).toBe(first.id);
    },
  ),
  scenario(
    'a changed PUT writes the fields and starts update; an unchanged one does nothing',
    {
      given: 'a type with `update` from and to inactive',
      when: 'a client sends a new size, and then the same size again',
      then: 'the first starts update, which sees the new size and ends in inactive; the second one changes nothing',
    },
    async (world) => {
      await world.declare(
        'processes: { update: { start: [inactive], transitioning: updating-inactive, done: inactive } }',
      );
      const handler = await world.handler('a', 'update', [{}]);
      const thing = await world.create({ size: 1 });
      await thing.update({ size: 2 });
      const { revision } = await thing.until({ state: 'inactive', transitioning: 'no', size: 2 });
      await thing.update({ size: 2 });
      expect(await thing.read()).toMatchObject({ size: 2, revision });
      expect(handler.events.map(({ resource }) => resource['size'])).toEqual([2]);
    },
  ),
  scenario(
    'a process may start and end in the same state, and runs each time it is started',
    {
      given: '`update`, whose start state and done state are inactive',
      when: 'it is started twice as an action',
      then: 'its handler is asked twice: whether it ran is never guessed from the state',
    },
    async (world) => {
      await world.declare(
        'processes: { update: { start: [inactive], transitioning: updating-inactive, done: inactive } }',
      );
      const handler = await world.handler('a', 'update', [{}]);
      const thing = await world.create();
      await thing.runs('update');
      await thing.runs('update');
      expect(handler.events).toHaveLength(2);
      expect((await thing.read())['state']).toBe('inactive');
    },
  ),
  scenario(
    'one process may have a transitioning and a done state for each start state',
    {
      given: '`tune`, from inactive through tuning-inactive back, and from ran through tuning-ran back',
      when: 'it runs in inactive and in ran',
      then: 'each time the resource comes back to where it was',
    },
    async (world) => {
      await world.declare(`
        processes:
          tune:
            start: [inactive, ran]
            transitioning: { inactive: tuning-inactive, ran: tuning-ran }
            done: { tuning-inactive: inactive, tuning-ran: ran }`);
      const thing = await world.create();
      await thing.runs('tune');
      expect((await thing.read())['state']).toBe('inactive');
      await thing.runs('run');
      await thing.runs('tune');
      expect((await thing.read())['state']).toBe('ran');
      expect(await thing.moves()).toEqual(expect.arrayContaining(['inactive>tuning-inactive', 'tuning-ran>ran']));
    },
  ),
  scenario(
    'If-Match guards an update by revision',
    {
      given: 'a resource at some revision',
      when: 'a client sends a PUT with an older revision in If-Match',
      then: '412 RevisionMismatch, and nothing is written',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create({ size: 1 });
      const { revision } = await thing.read();
      const stale = { 'if-match': String(Number(revision) - 1) };
      expect(await world.refused(thing.update({ size: 2 }, stale))).toMatchObject({
        status: 412,
        code: 'RevisionMismatch',
      });
      await thing.update({ size: 2 }, { 'if-match': String(revision) });
      expect((await thing.read())['size']).toBe(2);
    },
  ),
);
