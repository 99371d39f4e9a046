import { waitFor } from '@drover/testing';
import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork, DISK, parked } from '../situations.js';
import { failed, SILENT } from '../world.js';

export const why = area(
  'Why',
  'One question tells why a resource is as it is: what is live, what it waits for, until when, and what may be done.',
  scenario(
    'of a resource at rest: what happened last, and what may be done',
    {
      given: 'a resource that rests in ran after `run`',
      when: 'somebody asks why',
      then: 'nothing is live, the last process is `run` with DONE, and stop and remove are offered',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create();
      await thing.runs('run');
      const answer = await thing.why();
      expect(answer).toMatchObject({
        state: 'ran',
        processes: [],
        lastFinished: { processName: world.processes('run'), exitReason: 'DONE', error: null },
      });
      expect(Object.keys(answer['actions'] as object).toSorted()).toEqual(['remove', 'stop']);
      expect(answer['message']).toMatch(/rests in ran; nothing is going on; .*run ended \d+ s ago \(DONE\)/);
    },
  ),
  scenario(
    'of a handler at work: which one, which attempt of how many, and until when',
    {
      given: 'a handler in its first attempt of three, of 10 s',
      when: 'somebody asks why',
      then: 'it tells handler, phase, attempt 1 of 3, that the handler listens, and the attempt clock',
    },
    async (world) => {
      const { thing, delivery, process } = await atWork(world);
      expect(await thing.whyProcess()).toMatchObject({
        id: process.id,
        status: 'dispatched',
        phase: 'handle',
        handler: world.handlerName('worker'),
        handlerConnected: 'yes',
        attempt: 1,
        maxAttempts: 3,
        nextWake: { clock: 'attempt' },
      });
      expect((await thing.why())['message']).toMatch(
        /waits for the answer of handler .* \(attempt 1 of 3\), for at most \d+ s more$/,
      );
      delivery.reply({});
      await process.ended();
    },
  ),
  scenario(
    'of an absent handler: its name, and that nobody listens',
    {
      given: 'a registered handler without a subscriber',
      when: 'somebody asks why',
      then: 'it tells the handler, handlerConnected no, and the waiting clock',
    },
    async (world) => {
      await world.declare();
      await world.handler('away', 'run', [], { attends: false });
      const { thing, process } = await world.running();
      await process.until({ status: 'waitingHandler' });
      // One of those that wait is asked again every second: for that moment it runs. Both are taken from one answer.
      const why = await waitFor(
        async () => {
          const told = await thing.why();
          return String(told['message']).includes('which has no subscriber') ? told : null;
        },
        { what: 'why says that nobody listens' },
      );
      expect((why['processes'] as object[])[0]).toMatchObject({
        status: 'waitingHandler',
        handler: world.handlerName('away'),
        handlerConnected: 'no',
        nextWake: { clock: 'waiting' },
      });
    },
  ),
  scenario(
    'of a backoff: the last error, and when the next attempt comes',
    {
      given: 'a handler that failed with "no disk", to be asked again in an hour',
      when: 'somebody asks why',
      then: 'it tells the error, the backoff clock, and that retry is possible',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 3600000, maxMillis: 3600000 } } }');
      await world.handler('a', 'run', [failed('no disk')]);
      const { thing, process } = await world.running();
      await process.until({ status: 'backoff' });
      const live = await thing.whyProcess();
      expect(live).toMatchObject({ status: 'backoff', error: { message: 'no disk' }, nextWake: { clock: 'backoff' } });
      expect(live['actions']).toHaveProperty('retry');
      expect((await thing.why())['message']).toMatch(/again in (59|60) min; attempt 1 of 3 failed: no disk$/);
    },
  ),
  scenario(
    'of a parked process: the error, that no clock runs, and what an operator may do',
    {
      given: 'a process parked by "jammed"',
      when: 'somebody asks why',
      then: 'it tells the error, no next wake-up, and retry, skip, cancel, force and replay',
    },
    async (world) => {
      const { thing } = await parked(world);
      const live = await thing.whyProcess();
      expect(live).toMatchObject({ status: 'parked', error: { message: 'jammed' }, nextWake: null });
      expect(Object.keys(live['actions'] as object)).toEqual(['retry', 'skip', 'cancel', 'force', 'replay']);
      expect((await thing.why())['message']).toMatch(
        /is parked after 1 of 3 attempts: jammed; retry, skip, cancel or force it$/,
      );
    },
  ),
  scenario(
    'of a pre-emption: the cancelled attempt that is waited for',
    {
      given: '`stop`, which waits for the cancelled attempt of `run`',
      when: 'somebody asks why',
      then: 'it tells the process and the handler of that attempt, and its clock',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      await world.handler('stopper', 'stop', [{}]);
      const stop = await thing.act('stop');
      expect(await thing.whyProcess()).toMatchObject({
        status: 'waitingPredecessor',
        predecessor: { id: process.id, handler: world.handlerName('worker') },
        nextWake: { clock: 'predecessor' },
      });
      delivery.reply({});
      await stop.ended();
    },
  ),
  scenario(
    'of a cancel: that it waits for the handler',
    {
      given: 'a process that is canceling',
      when: 'somebody asks why',
      then: 'it says cancelled, names the handler, and offers force',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      await process.operate('cancel');
      await process.until({ status: 'canceling' });
      const live = await thing.whyProcess();
      expect(live).toMatchObject({
        status: 'canceling',
        handler: world.handlerName('worker'),
        nextWake: { clock: 'attempt' },
      });
      expect(Object.keys(live['actions'] as object)).toEqual(['force']);
      expect((await thing.why())['message']).toMatch(
        /was cancelled and leaves when handler .* answers, for at most \d+ s more$/,
      );
      delivery.reply({});
      await process.ended();
    },
  ),
  scenario(
    'of a delay: when the handler is called again',
    {
      given: 'a handler that asked to be called again in ten minutes',
      when: 'somebody asks why',
      then: 'it tells the delay clock',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [{ delayMillis: 600_000 }]);
      const { thing, process } = await world.running();
      await process.until({ status: 'delayed' });
      expect(await thing.whyProcess()).toMatchObject({ status: 'delayed', nextWake: { clock: 'delay' } });
      expect((await thing.why())['message']).toMatch(/waits 10 min more, as handler .* asked to be called later$/);
    },
  ),
  scenario(
    'of each live region one',
    {
      given: '`run` and `attach` at work at the same time',
      when: 'somebody asks why',
      then: 'both are told, `state` first',
    },
    async (world) => {
      await world.declare(DISK);
      await world.handler('a', 'run,attach', [SILENT]);
      const thing = await world.create();
      await thing.act('attach');
      await thing.act('run');
      const { processes, message } = await thing.why();
      expect(processes).toMatchObject([
        { stateField: 'state', state: 'running' },
        { stateField: 'diskState', state: 'attaching' },
      ]);
      expect(message).toMatch(/is running: .*; and has diskState attaching: /);
    },
  ),
  scenario(
    'a browser gets a page',
    {
      given: 'a resource',
      when: 'a browser asks why',
      then: 'the answer is HTML with the same sentence, and links to the resource and its processes',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create();
      const url = String(((await thing.read())['links'] as Record<string, string>)['why']);
      const response = await fetch(url, { headers: { accept: 'text/html' } });
      expect(response.headers.get('content-type')).toContain('text/html');
      expect(await response.text()).toContain('rests in inactive; nothing is going on');
    },
  ),
);
