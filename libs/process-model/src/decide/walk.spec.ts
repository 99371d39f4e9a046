import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTransitioning, ownProcess } from '../states/index.js';
import { decide, type Input } from './decide.js';
import { regionOf } from './draft.js';
import { builtin, deepFreeze, handler, Life, reply } from './life.fixture.js';
import type { HandlerReply } from './reply.js';

const VERBS = 'create start stop kill update repair fail boot warm bend loop hurry stop2 remove attach detach'.split(
  ' ',
);
const field = fc.constantFrom('state', 'state', 'state', 'disk');

const answer: fc.Arbitrary<HandlerReply> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(reply({})) },
  fc.constantFrom(
    reply({ data: { cpus: 2, '+tags': { a: 1 } } }),
    reply({ data: { colour: 'red' } }),
    reply({ delegate: true }),
    reply({ shouldContinue: false }),
    reply({ chainProcess: 'machine.stop' }),
    reply({ chainProcess: 'machine.start' }),
    reply({ chainProcess: 'machine.fly' }),
    reply({ delayMillis: 500 }),
    reply({ delayMillis: 100_000 }),
    reply({ transitioning: 'yes', transitioningMessage: 'half', transitioningProgress: 50 }),
    reply({ transitioning: 'error', transitioningMessage: 'no' }),
    reply({ transitioning: 'error', transitioningMessage: 'again' }),
    reply({ transitioning: 'error', retryable: false }),
    reply({ nonsense: true }),
  ),
);

type Move = { what: string; run: (life: Life) => void };
const move = (what: string, run: Move['run']): Move => ({ what, run });
const onLive =
  (stateField: string, run: (life: Life) => void): Move['run'] =>
  (life) =>
    life.isLive(stateField) && run(life);

function start(life: Life, verb: string): void {
  try {
    life.start(verb);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ActionNotAvailable' });
  }
}

const moves: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(20), field).map(([n, on]) =>
      move(`legal action ${n} on ${on}`, (life) => {
        const processes = Object.values(life.type.processes).filter((process) => process.stateField === on);
        const legal = processes.filter((process) => process.startStates.includes(regionOf(life.resource, on).state));
        // Legal by state; refused only where it is the one that runs already.
        if (legal.length > 0) start(life, legal[n % legal.length]!.verb);
      }),
    ),
  },
  fc.constantFrom(...VERBS).map((verb) => move(`start ${verb}`, (life) => start(life, verb))),
  {
    weight: 6,
    arbitrary: fc.tuple(answer, field).map(([one, on]) =>
      move(
        `reply ${JSON.stringify(one)} on ${on}`,
        onLive(on, (life) => life.reply(one, undefined, on)),
      ),
    ),
  },
  fc.tuple(answer, fc.nat(4), field).map(([one, dispatch, on]) =>
    move(
      `reply to ${dispatch}`,
      onLive(on, (life) => life.reply(one, dispatch, on)),
    ),
  ),
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(1, 50, 100, 400, 1_000, 5_000, 70_000)
      .map((millis) => move(`${millis} ms pass`, (life) => life.pass(millis))),
  },
  fc
    .tuple(fc.constantFrom('wake', 'advance', 'noResponders', 'takeOver', 'predecessor', 'predecessor'), field)
    .map(([kind, on]) =>
      move(
        `${kind} on ${on}`,
        onLive(on, (life) => {
          const { dispatch, predecessorId } = life.process(on);
          if (kind === 'takeOver') life.takeOver(on);
          else if (kind === 'noResponders') life.input({ kind, dispatch }, on);
          else if (kind === 'predecessor')
            life.input({ kind: 'predecessorAnswered', predecessorId: predecessorId ?? 99, data: { cpus: 9 } }, on);
          else life.input({ kind: kind as 'wake' | 'advance' }, on);
        }),
      ),
    ),
  fc
    .tuple(
      fc.constantFrom('retry', 'skip', 'cancel', 'force', 'replay'),
      fc.constantFrom(null, 'stopped', 'running', 'starting', 'attached', 'detached'),
      field,
    )
    .map(([action, state, on]) =>
      move(
        `${action} ${state} on ${on}`,
        onLive(on, (life) => life.input({ kind: 'operate', action, state, operator: 'ann' } as Input, on)),
      ),
    ),
  fc.constantFrom('a', 'c', 'd').map((name) => move(`deactivate ${name}`, (life) => life.deactivate(name))),
  fc.constantFrom('a', 'c', 'd').map((name) =>
    move(`register ${name}`, (life) => {
      if (life.handlers.handlers.every((one) => one.name !== name))
        life.register(TEAM.find((one) => one.name === name)!);
    }),
  ),
);

const TEAM = [
  builtin('a', 'machine.start,machine.stop,pre.machine.update', { priority: 500 }),
  handler('b', 'machine.*', { retries: 2, timeoutMillis: 1_500 }),
  handler('c', 'post.machine.start,machine.create,machine.repair', { onError: 'machine.fail' }),
  builtin('d', 'pre.machine.*', { timeoutMillis: 700 }),
];

/** Every move the definitions allow (invariant 3), checked on what was committed. */
function illegalMoves(life: Life): string[] {
  const wrong: string[] = [];
  life.onCommit = (transition, before) => {
    const { stateField, change, end, start, update, processId } = transition;
    const from = regionOf(before, stateField).state;
    const to = regionOf(life.resource, stateField).state;
    if (change === null || from === to) return;
    const held = processId === null ? null : [...life.live.values()].find((one) => one.row.id === processId);
    const ended = processId === null ? undefined : life.finished.find((row) => row.id === processId);
    const name = held?.row.name ?? ended?.name ?? null;
    const next = start === null ? null : ownProcess(life.type, start.name)!;
    const say = (why: string): number => wrong.push(`${from} → ${to}: ${why}`);
    if (next !== null) {
      // A start, a pre-emption, a chain or an onError: into the new process's transitioning state.
      if (!isTransitioning(next, to)) say(`${next.name} does not work there`);
      if (processId === null && next.transitioning[from] !== to) say(`no start of ${next.name}`);
    } else if (update !== null) {
      if (!isTransitioning(ownProcess(life.type, update.name)!, to)) say(`${update.name} goes on there`);
    } else if (end !== null) {
      const kind = ended!.progress.transitions.at(-1)!.kind;
      const process = ownProcess(life.type, name!)!;
      if (kind === 'done' ? process.done[from] !== to : kind !== 'canceled' && kind !== 'forced')
        say(`${name} ends there as ${kind}`);
    } else say('nobody moved it');
  };
  return wrong;
}

describe('whatever happens, in whatever order', () => {
  it('the invariants hold after every step', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('requested', 'stopped', 'running'),
        fc.subarray(TEAM),
        fc.array(moves, { minLength: 1, maxLength: 60 }),
        (state, team, walk) => {
          const life = new Life(team, state);
          const wrong = illegalMoves(life);
          const happened: string[] = [];
          for (const { what, run } of walk) {
            happened.push(what);
            run(life);
            expect([...life.violations(), ...wrong], happened.join('\n')).toEqual([]);
          }
        },
      ),
      { numRuns: 1_000, seed: 20261122 },
    );
  }, 60_000);

  it('every life ends, or is parked, when time alone goes on: nothing retries for ever', () => {
    fc.assert(
      fc.property(fc.subarray(TEAM), fc.array(moves, { maxLength: 15 }), (team, walk) => {
        const life = new Life(team, 'running');
        for (const { run } of walk) run(life);
        life.pass(10_000_000);
        for (const { row } of life.live.values()) expect(row.status).toBe('parked');
        expect(life.violations()).toEqual([]);
      }),
      { numRuns: 500, seed: 20261122 },
    );
  }, 60_000);

  it('without faults, with replies inside their deadlines, each step is sent exactly once', () => {
    fc.assert(
      fc.property(
        fc.subarray(TEAM, { minLength: 1 }),
        fc.constantFrom('start', 'update', 'boot', 'hurry', 'remove'),
        fc.array(fc.constantFrom(reply({}), reply({ data: { cpus: 2 } }), reply({ delegate: true })), { minLength: 1 }),
        (team, verb, replies) => {
          const life = new Life(team, 'stopped');
          life.start(verb);
          for (let i = 0; life.isLive(); i++) life.reply(replies[i % replies.length]!);
          const keys = life.sent.map((one) => one.key);
          expect(new Set(keys).size).toBe(keys.length);
          expect(life.finished).toHaveLength(1);
        },
      ),
      { seed: 20261122 },
    );
  });

  it('a success that is committed is not sent again, except by replay', () => {
    fc.assert(
      fc.property(fc.subarray(TEAM, { minLength: 1 }), fc.array(moves, { maxLength: 30 }), (team, walk) => {
        const life = new Life(team, 'stopped');
        for (const { what, run } of walk) {
          if (what.startsWith('replay')) continue;
          const done = [...life.live.values()].flatMap(({ row }) =>
            ((row.progress['done'] as string[] | undefined) ?? []).map((step) => `${row.id} ${row.name} ${step}`),
          );
          const before = life.sent.length;
          run(life);
          for (const { id, process, step } of life.sent.slice(before))
            expect(done).not.toContain(`${/^1pi(\d+)/.exec(id)![1]} ${process} ${step}`);
        }
      }),
      { numRuns: 500, seed: 20261122 },
    );
  }, 60_000);

  it('the same arguments give the same decision, and are not touched', () => {
    fc.assert(
      fc.property(fc.subarray(TEAM), fc.array(moves, { maxLength: 15 }), answer, (team, walk, one) => {
        const life = new Life(team, 'stopped');
        for (const { run } of walk) run(life);
        if (!life.isLive()) return;
        const process = deepFreeze(life.process());
        const resource = deepFreeze(structuredClone(life.resource));
        const inputs: Input[] = [
          { kind: 'wake' },
          { kind: 'reply', dispatch: process.dispatch, reply: deepFreeze(structuredClone(one)) },
          { kind: 'operate', action: 'retry', state: null, operator: null },
        ];
        for (const input of inputs) {
          const first = decide(process, resource, life.around, input);
          expect(decide(process, resource, life.around, input)).toEqual(first);
        }
      }),
      { numRuns: 300, seed: 20261122 },
    );
  });
});
