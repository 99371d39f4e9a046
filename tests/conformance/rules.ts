import type { ExitReason } from '@drover/process-model';

/** A test outside this suite, by its file and its title (or the part of it that is fixed). */
export interface NamedTest {
  file: string;
  title: string;
}

export interface Rule {
  rule: string;
  /** names of scenarios, without what {@link bothKinds} adds; and named tests elsewhere */
  shownBy: (string | NamedTest)[];
}

export interface RuleGroup {
  title: string;
  about: string;
  rules: Rule[];
}

const rule = (text: string, ...shownBy: Rule['shownBy']): Rule => ({ rule: text, shownBy });
const test = (file: string, title: string): NamedTest => ({ file, title });

const FAULTS = 'tests/faults.fault.spec.ts';
const WALK = 'libs/process-model/src/decide/walk.spec.ts';
const STATES = 'libs/process-model/src/states/states.spec.ts';
const COMMIT = 'apps/resource-store/src/commit/commit.int.spec.ts';
const RELAY = 'apps/resource-store/src/relay/relay.int.spec.ts';
const PARTITIONS = 'apps/resource-store/src/partitions/partitions.int.spec.ts';

/** The process semantics sentence by sentence, and the invariants: each is shown by something that fails when it is broken. */
export const RULES: readonly RuleGroup[] = [
  {
    title: 'States and starts',
    about: 'What a state means to a process, and how one begins.',
    rules: [
      rule(
        'start, transitioning and done states are what the definition says; a key of the done map is transitioning, too',
        test(STATES, 'start, transitioning and done states, and the way between them'),
        'one process may have a transitioning and a done state for each start state',
      ),
      rule(
        'a state may be start and done of one process; whether a run has begun is read from its row, never guessed from the state',
        'a process may start and end in the same state, and runs each time it is started',
        'a chain to a process that starts and ends in the reached state runs it',
        test(STATES, 'a state may be start and done of one process'),
      ),
      rule(
        'a start moves the resource, inserts the process, and writes history and feed in one transaction, before anything is acknowledged',
        'a start that was answered is durable: the resource is in its transitioning state',
        'a create inserts the resource and starts its create process in one transaction',
        test(COMMIT, 'that schedules moves the resource, inserts the process, the command and the feed row'),
      ),
      rule(
        'a resource in the wrong state refuses with its present state and the actions that are legal now',
        'a start from the wrong state is refused with the present state and the legal actions',
        'actions are listed exactly where their process may start',
      ),
      rule(
        'for chains and children what is in the done state already is a success, ALREADY_DONE; not for a client (goals cannot be asked for otherwise)',
        'a chain to a process whose done state is reached is ALREADY_DONE, a success',
        'a related resource that is in the done state already counts as done',
        'a start in the done state is refused like any other wrong state',
      ),
    ],
  },
  {
    title: 'Runs',
    about: 'Which handlers are asked, and in which order.',
    rules: [
      rule(
        'pre-listeners, then handlers, then post-listeners',
        'pre-listeners come before handlers, and post-listeners after them',
      ),
      rule(
        'within a phase by ascending priority, then name, built-in and external alike',
        'within a phase, the lower priority comes first',
        'handlers of one priority come in the order of their names',
        'handlers inside the engine and over NATS are sorted together',
      ),
      rule(
        'handlers bind to process names exactly or by glob',
        'a glob binds a handler to every process that it matches',
        'a handler that two of its bindings match has one turn',
      ),
      rule(
        'all of them run, unless a result says `shouldContinue: false`, which ends the handler phase',
        'all handlers are asked, also when the first one did the work',
        '`shouldContinue: false` ends the handlers of its phase, and only those',
      ),
      rule(
        'no handler at all: the resource simply moves to done',
        'a process without handlers simply reaches its done state',
      ),
      rule(
        "each result's data is merged in the transaction that records the step; `+x` merges into map x, `x` replaces",
        'the data of a result is written to the resource',
        'a `+key` merges into the map, a plain key replaces it',
        'a `+key` merges at every depth, where it is written',
        'what an earlier step wrote is seen by the later ones, also in a later execution',
      ),
      rule(
        'an undeclared field or one of the envelope is a failure for good that names the key',
        'an undeclared field is refused, and the record names it',
        'an envelope field is refused like an undeclared one',
        'data of a delay are written and judged like those of a result',
        'data of a progress report are written at once, and judged like those of a result',
      ),
      rule("a resource's data are 256 KiB at most", 'data that grows over 256 KiB is refused at the merge'),
      rule(
        'a step is (phase, handler); finished steps are durable, and a retry resumes at the one that failed',
        'a retry resumes at the step that failed',
        'a handler that registers between two attempts is not skipped, and shifts nobody',
        'a delegate has step keys of its own',
      ),
      rule(
        "the definition version is fixed for a process's life, the handler list for an execution",
        'a process keeps the version of the definition that it began on',
        'the handler list is fixed for an execution',
      ),
    ],
  },
  {
    title: 'Result controls',
    about: 'What a result may ask for.',
    rules: [
      rule(
        '`delegate` continues in the other definition without resting in done; with `always` unasked',
        '`delegate` goes on in the other process without resting in done',
        'without a result that asks, a delegate is not taken; `always` needs no result',
        '`always` goes on without being asked: create leads through to the other process in one instance',
        '`delegate: true` without a delegate changes nothing, and the record says so',
      ),
      rule(
        '`chainProcess` ends by starting another process of the same resource',
        '`chainProcess` ends by starting another process of the same resource',
        'when two results ask for different chains, the last one wins and the conflict is recorded',
        'a chain that cannot start is a failure that names why',
      ),
      rule('`delayMillis` calls again later', '`delayMillis` calls the handler again later and spends no attempt'),
      rule(
        '`error{code, message, retryable}` reports a failure',
        'an error that is not retryable spends the budget at once',
        'each step is recorded with phase, handler, attempt, times, outcome and error',
        'a NATS micro service reports a failure with its own header',
      ),
      rule(
        '`transitioning: yes` with message and progress extends the deadline and shows on the resource',
        'progress shows on the resource and is no answer',
        'progress extends the attempt clock',
        'with a heartbeat, progress does not extend the attempt clock',
      ),
      rule(
        '`related`, of a handler inside the engine, is done behind its step',
        'the result of a handler inside the engine may ask for related work, which is done behind its step',
        'related work of a result that names no relationship is a failure that names it',
        'a reply over NATS cannot ask for related work',
      ),
    ],
  },
  {
    title: 'Attempts and failure',
    about: 'Nothing retries for ever.',
    rules: [
      rule('attempts count per step', 'attempts count for each step alone'),
      rule(
        "a handler's `retries` and `timeoutMillis` override the process's",
        "a handler's own retries and timeoutMillis win over the process's",
        "a handler's own retry policy wins over the process's",
      ),
      rule(
        'a passed deadline ends the attempt; the next one has a new id and the same key; answers to the old one change nothing',
        'the attempt clock ends an attempt that takes too long',
        'all attempts of a step have one key, and each has an id of its own',
        'a reply for an attempt that is over changes nothing',
      ),
      rule(
        'a lost dispatch or an unknown commit is repeated with the same id',
        test(
          'tests/engine/take-over.e2e.spec.ts',
          'while a handler inside it works: the next runs the same attempt again',
        ),
        test(
          FAULTS,
          'of two stores one hangs past the time-out of a commit and comes back: what it was asked is done once',
        ),
      ),
      rule(
        'waiting for an absent handler and `delayMillis` spend no attempt; `waitMillis` and `totalMillis` bound them',
        'without a subscriber, the resource says which handler it waits for, and no attempt is spent',
        '`delayMillis` calls the handler again later and spends no attempt',
        'the waiting clock bounds the wait for an absent handler',
        'the waiting clock bounds the delays that a handler asks for',
        'the waiting clock bounds the wait for a place',
        'the total clock bounds the whole life, whatever the handler does',
      ),
      rule(
        'retries come with backoff and jitter, up to the budget',
        'a failed step is tried again up to its budget, then the process is parked',
        'the pause between attempts grows, and the message tells which attempt failed',
        test(
          'libs/kernel/src/backoff.spec.ts',
          'is a whole number between its share without jitter and the cap, whatever the attempt',
        ),
      ),
      rule(
        'non-retryable errors spend the budget at once',
        'an error that is not retryable spends the budget at once',
        'codes named in nonRetryable spend the budget at once',
        "nonRetryable of a handler adds to the process's, and TIMEOUT is a code like any other",
      ),
      rule(
        'then `onError` runs if declared, after errors and time-outs alike',
        'onError runs when the budget is spent by errors',
        'onError runs when the budget is spent by time-outs, too',
        "a handler's own onError wins over the process's",
      ),
      rule(
        'otherwise the process is parked: still live, the resource shows error and message, and it can be pre-empted',
        'a failed step is tried again up to its budget, then the process is parked',
        'a parked process can be pre-empted like any other',
      ),
      rule(
        'an operator can retry, skip, cancel, force and replay, each audited, each once',
        'retry goes on at the step that failed, with a fresh budget',
        'skip goes on behind the step that failed',
        'cancel of a parked process returns the resource to where the run began',
        'force puts the resource into a resting state, and is on record',
        'replay asks all handlers again',
        'a retry with an Idempotency-Key happens once',
        'a skip with an Idempotency-Key skips one step',
        'a cancel with an Idempotency-Key cancels one run',
        'a force with an Idempotency-Key forces once',
        'a replay with an Idempotency-Key happens once, of a live process and of one that has ended',
      ),
      rule(
        'nothing retries for ever',
        'two onErrors that name each other do not go on for ever',
        test(WALK, 'every life ends, or is parked, when time alone goes on: nothing retries for ever'),
      ),
    ],
  },
  {
    title: 'Pre-emption and regions',
    about: 'Two processes and one resource.',
    rules: [
      rule(
        "a process may start from another's transitioning state; the running one is cancelled in the same transaction and its handler is told",
        'pre-emption cancels the running process and tells its handler',
        test(COMMIT, 'pre-emption: the new process waits for the old one'),
      ),
      rule(
        "the new one's first external step waits until the cancelled attempt has answered or its deadline passed",
        'the new process waits for the cancelled attempt, so that two handlers never work on one thing',
        'a cancelled attempt that never answers is waited for until its deadline, and no longer',
        'with no attempt under way, the new process begins at once',
        '`preempt: immediate` does not wait, and late answers are ignored',
      ),
      rule(
        'one live process per (resource, state field)',
        'each region has a process of its own, at the same time',
        'pre-emption in one region leaves the other one alone',
        'of many simultaneous starts, one wins',
      ),
      rule(
        '`transitioning*` describes `state`; each other field has `<stateField>Transitioning`',
        'a region moves without touching the state',
        'a parked region shows on its own flag, and is forced to a state of its own',
      ),
      rule(
        'reaching `removed` cancels what is live in other fields, in the same transaction',
        'reaching removed cancels what is live in other regions, in the same transaction',
        'nothing starts in a region of a removed resource',
      ),
    ],
  },
  {
    title: 'Absent handlers, exits and records',
    about: 'Never a silent stall, never a silent success.',
    rules: [
      rule(
        'a process whose handler has no subscriber says so within a second, and goes on within two seconds of its return',
        'without a subscriber, the resource says which handler it waits for, and no attempt is spent',
        'when the handler returns, all that waited for it goes on, each event once',
        test(
          'tests/engine/presence.e2e.spec.ts',
          'without a subscriber the process says so within a second, and goes on within two of its return',
        ),
      ),
      rule(
        'a handler that shows `active` is used by every process scheduled later, by any replica',
        'once registered, a handler is used by every process that is scheduled later',
        test(
          'tests/engine/presence.e2e.spec.ts',
          'once a handler shows active, every process scheduled later uses it, on any engine',
        ),
      ),
      rule(
        'exit reasons are a table of flags (the table below)',
        test(
          'libs/process-model/src/decide/executions.spec.ts',
          'that are terminal have a result and no retry; the others none',
        ),
      ),
      rule(
        'every execution leaves a record: phases, steps, handler, start, stop, attempt, outcome, error, transitions',
        'each step is recorded with phase, handler, attempt, times, outcome and error',
        'a finished process tells its moves, its exit reason and its times',
        'each failed attempt closes an execution, and the next one opens another',
      ),
      rule('records are bounded in size', 'records are bounded: the newest ones are kept'),
      rule(
        'history is partitioned by time, and retention drops partitions',
        test(PARTITIONS, 'past their retention are dropped, and the feed says that it no longer reaches that far'),
        'a purged resource is deleted when the last of its history is gone; then nothing of it is readable',
      ),
    ],
  },
  {
    title: 'Invariants',
    about: 'True at every moment, whatever fails. A checker looks for breaches at the end of this suite, too.',
    rules: [
      rule(
        '1. A start answered 2xx is never lost',
        'a start that was answered is durable: the resource is in its transitioning state',
        test(
          FAULTS,
          'engine, store and broker are each killed three times, and no accepted work is lost or done twice',
        ),
      ),
      rule(
        "2. A resource is in a transitioning state exactly while one live process holds it (a removed one's other regions stay where they were, with nothing going on)",
        'a resource is transitioning exactly while a process holds it',
        'reaching removed cancels what is live in other regions, in the same transaction',
        test(WALK, 'the invariants hold after every step'),
      ),
      rule(
        '3. State moves only along edges of the definition version, by delegate, chain or pre-emption, or by an audited force or cancel',
        'force takes only a state to rest in',
        'what is removed cannot be forced back to life',
        test('libs/simulator/src/simulate.spec.ts', 'keeps every invariant in'),
      ),
      rule(
        '4. The revision rises by exactly one per change, and each revision has exactly one feed row',
        'the revision rises by exactly one per change, and each revision has one transition event',
      ),
      rule(
        '5. A reply for one attempt changes nothing but that attempt; the first terminal reply wins',
        'a reply for an attempt that is over changes nothing',
        'the first of two replies wins',
        'a reply after the end changes nothing',
      ),
      rule(
        "6. After a step's success is committed, no decision sends it again, except replay and check mode; without faults each step is sent exactly once",
        test(WALK, 'a success that is committed is not sent again, except by replay'),
        test(WALK, 'without faults, with replies inside their deadlines, each step is sent exactly once'),
        test(FAULTS, 'an engine that hangs past its lease and comes back does nothing that another has done meanwhile'),
      ),
      rule(
        '7. Every finished process has exactly one terminal history row, its last',
        'a finished process is in the history exactly once',
        test(COMMIT, 'that ends a process moves its row, once, to the finished ones'),
      ),
      rule(
        '8. Every live process has a wake-up time, infinite only where an operator must act',
        'of a parked process: the error, that no clock runs, and what an operator may do',
        test(
          'apps/resource-store/src/due-work/due-work.int.spec.ts',
          'the wake-up is never later than the waiting and the total clock, and infinite where only an operator can act',
        ),
      ),
      rule(
        "9. Every revision appears in the feed, in order per resource, resumable by a sequence of the store's own",
        'every transition event names its process, and the states before and after',
        test(RELAY, 'goes on after a stop without a gap or a duplicate, also when its place was not saved'),
        test(RELAY, 'does not pass a change that commits late, nor the ones after it on another resource'),
      ),
      rule(
        '10. Garbage on any subject or route changes no resource, gets a clear error, and is counted',
        'garbage is no answer: the attempt stays open, the record says so',
        'a misspelt key is rejected: the attempt stays open, and everybody can see why',
        'a reply to a subject that was never issued changes nothing',
        test(
          'tests/engine/replies.e2e.spec.ts',
          'on a reply subject that nobody issued changes nothing and is counted',
        ),
        test('tests/engine/commands.e2e.spec.ts', 'that is no command is counted'),
      ),
      rule(
        '11. Losing the whole NATS store loses no accepted work',
        test(FAULTS, 'the whole store of NATS is wiped: no accepted work is lost'),
      ),
    ],
  },
  {
    title: 'Clocks',
    about: 'Four of them, each of which ends something by itself.',
    rules: [
      rule(
        'attempt (`timeoutMillis`)',
        'the attempt clock ends an attempt that takes too long',
        'durable: the attempt clock runs once the event was taken',
      ),
      rule('heartbeat (`heartbeatMillis`)', 'the heartbeat clock ends an attempt whose handler falls silent'),
      rule(
        'waiting (`waitMillis`)',
        'the waiting clock bounds the wait for an absent handler',
        'the waiting clock bounds the delays that a handler asks for',
        'the waiting clock bounds the wait for a place',
      ),
      rule(
        'total (`totalMillis`)',
        'the total clock bounds the whole life, whatever the handler does',
        'the total clock ends a process also between two attempts, and while a handler works',
        "a handler's own total clock bounds its attempts of one step with the pauses between them",
        'the total clock stands still under a pause',
      ),
    ],
  },
  {
    title: 'What an operator is refused',
    about: 'Each act in each situation in which it makes no sense: `ActionNotAvailable`, unless another code is told.',
    rules: [
      rule(
        'a handler is at work: retry, skip, replay',
        'while a handler is at work, only cancel and force are offered',
      ),
      rule(
        'a cancelled attempt is waited for: retry, skip, replay',
        'while a cancelled attempt is waited for, only cancel and force are offered',
      ),
      rule(
        'children are at work: retry, skip, replay',
        'while children are at work, only cancel and force are offered',
      ),
      rule(
        'canceling: retry, skip, replay; a cancel changes nothing',
        'while it is canceling, only force is offered',
        'a cancel of what is being cancelled changes nothing',
      ),
      rule('parked, with `onCancel: parked`: cancel', 'what parks on a cancel, and is parked, is not cancelled again'),
      rule(
        'past the total clock: retry, skip, replay',
        'past the end of its longest life, a process can only be cancelled or forced',
      ),
      rule(
        'held before its end, without a step: skip',
        test(
          'libs/process-model/src/decide/gates.spec.ts',
          'holds the end of a process, where no step is left to skip',
        ),
      ),
      rule(
        'finished: retry, skip, cancel, force; and a replay where it may not start',
        'with a finished process nothing can be done but a replay',
        'a replay of a finished process is refused where it may not start',
      ),
      rule(
        '`InvalidOption`: force to a state that is none to rest in',
        'force takes only a state to rest in',
        'a parked region shows on its own flag, and is forced to a state of its own',
        'what is removed cannot be forced back to life',
      ),
      rule(
        '`InvalidAction`, `NotFound`: an act or a process that does not exist',
        'an act that does not exist, or on a process that does not, is refused by name',
      ),
      rule(
        '`IdempotencyKeyReused`: a key that was used for another act',
        'an Idempotency-Key is good for one act only',
        'a force with an Idempotency-Key forces once',
      ),
    ],
  },
];

/** Scenarios that reach an exit reason, or why none does. */
export const EXITS: Record<ExitReason, { shownBy: string[] } | { never: string }> = {
  DONE: { shownBy: ['a finished process tells its moves, its exit reason and its times'] },
  ALREADY_DONE: {
    shownBy: [
      'a chain to a process whose done state is reached is ALREADY_DONE, a success',
      'a delegate whose work is done where the process ends is ALREADY_DONE',
    ],
  },
  CHAIN: { shownBy: ['`chainProcess` ends by starting another process of the same resource'] },
  CANCELED: {
    shownBy: [
      'cancel of a parked process returns the resource to where the run began',
      'force puts the resource into a resting state, and is on record',
      'pre-emption cancels the running process and tells its handler',
      'reaching removed cancels what is live in other regions, in the same transaction',
    ],
  },
  FAILED: { shownBy: ['onError runs when the budget is spent by errors'] },
  DELEGATE: { shownBy: ['`delegate` goes on in the other process without resting in done'] },
  DELAY: { shownBy: ['`delayMillis` calls the handler again later and spends no attempt'] },
  STATE_CHANGED: { never: "a lost race is decided again in the same execution; kept for readers of Cattle's records" },
  RESOURCE_BUSY: { never: 'a start that loses is refused before there is an instance; kept for the same readers' },
  UNKNOWN_EXCEPTION: { shownBy: ['each failed attempt closes an execution, and the next one opens another'] },
  TIMEOUT: { shownBy: ['the attempt clock ends an attempt that takes too long'] },
};
