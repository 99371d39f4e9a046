import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork, lateAnswerRead } from '../situations.js';

export const replies = area(
  'Replies and invariants',
  'An attempt is answered once. Whatever else comes changes nothing but the counters.',
  scenario(
    'a reply for an attempt that is over changes nothing',
    {
      given: 'a handler whose first attempt ran out of time, and whose second is under way',
      when: 'it answers the first one',
      then: 'the answer is ignored; the answer to the second one counts',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world, 'processes: { run: { timeoutMillis: 400 } }');
      const second = await handler.asked(2);
      delivery.reply({ data: { size: 666 } });
      second.reply({ data: { size: 2 } });
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['size']).toBe(2);
      expect((await process.steps()).map(({ outcome }) => outcome)).toEqual(['timeout', 'done']);
    },
  ),
  scenario(
    'the first of two replies wins',
    {
      given: 'a handler at work',
      when: 'it answers size 1, and then size 2',
      then: 'the size is 1, and the step has one record',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      delivery.reply({ data: { size: 1 } });
      delivery.reply({ data: { size: 2 } });
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['size']).toBe(1);
      expect(await process.steps()).toHaveLength(1);
    },
  ),
  scenario(
    'a reply after the end changes nothing',
    {
      given: 'a process that is done',
      when: 'its handler answers once more',
      then: 'the revision of the resource stays the same',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world);
      delivery.reply({});
      await process.ended();
      const { revision } = await thing.read();
      delivery.reply({ data: { size: 9 } });
      await lateAnswerRead(world, handler);
      expect(await thing.read()).toMatchObject({ revision, size: null });
    },
  ),
  scenario(
    'garbage is no answer: the attempt stays open, the record says so',
    {
      given: 'a handler at work',
      when: 'it answers with text that is no JSON, with a list, and then properly',
      then: 'the first two are recorded as rejected, and the third one counts',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      delivery.reply('no JSON at all');
      delivery.reply([1, 2]);
      delivery.reply({ data: { size: 3 } });
      expect(await process.ended()).toBe('DONE');
      expect((await process.steps()).map(({ outcome }) => outcome)).toEqual(['rejected', 'rejected', 'done']);
      expect((await thing.read())['size']).toBe(3);
    },
  ),
  scenario(
    'a reply to a subject that was never issued changes nothing',
    {
      given: 'a handler at work',
      when: 'somebody publishes "done" on its reply subject with another secret',
      then: 'the process still waits for its handler, whose answer is the one that counts',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world);
      const forged = delivery.event.replyTo.replace(/[0-9a-f]{24}$/, '0'.repeat(24));
      handler.program.connection.publish(forged, JSON.stringify({ data: { size: 1 } }));
      await handler.program.connection.flush();
      delivery.reply({ data: { size: 2 } });
      expect(await process.ended()).toBe('DONE');
      expect(await process.steps()).toMatchObject([{ outcome: 'done' }]);
      expect((await thing.read())['size']).toBe(2);
    },
  ),
  scenario(
    'the revision rises by exactly one per change, and each revision has one transition event',
    {
      given: 'a resource that was created, run by two handlers with data and progress, and removed',
      when: 'the feed is read',
      then: 'it shows the revisions 1, 2, 3 … to the last one, each once, in order',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [{ data: { size: 1 } }]);
      await world.handler('b', 'run', [{ data: { size: 2 } }]);
      const thing = await world.create();
      await thing.runs('run');
      await thing.runs('remove');
      const { revision } = await thing.read();
      const all = Array.from({ length: Number(revision) }, (_, i) => i + 1);
      await thing.until(() => thing.feed().length >= all.length);
      expect(thing.feed().map((event) => event.revision)).toEqual(all);
    },
  ),
  scenario(
    'every transition event names its process, and the states before and after',
    {
      given: 'a resource that runs',
      when: 'it has reached ran',
      then: 'the feed has inactive > running and running > ran with the process, its id and a rising sequence',
    },
    async (world) => {
      await world.declare();
      const { thing, process } = await world.running();
      // The event of a move comes behind the first one that shows the state: events show the resource as it is when they are sent.
      await thing.until(() => thing.feed().at(-1)?.to === 'ran');
      const moves = thing.feed().filter((event) => event.processId === process.id && event.from !== event.to);
      expect(moves.map(({ from, to }) => `${from}>${to}`)).toEqual(['inactive>running', 'running>ran']);
      expect(moves.every((event) => event.process === world.processes('run'))).toBe(true);
      expect(moves[1]!.sequence).toBeGreaterThan(moves[0]!.sequence);
    },
  ),
  scenario(
    'a resource is transitioning exactly while a process holds it',
    {
      given: 'a process whose handler works',
      when: 'it answers',
      then: 'transitioning was yes while it worked, and is no afterwards, in every event of the feed',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'yes' });
      delivery.reply({});
      await process.ended();
      await thing.until({ state: 'ran' });
      const held = new Set(['registering', 'running']);
      for (const { resource } of thing.feed())
        expect(resource['transitioning']).toBe(held.has(String(resource['state'])) ? 'yes' : 'no');
      expect(await thing.read()).toMatchObject({ state: 'ran', transitioning: 'no' });
    },
  ),
);
