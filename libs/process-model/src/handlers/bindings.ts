import type { HandlerLimits, HandlerRow } from '@drover/contracts';
import { DroverError, globMatches } from '@drover/kernel';
import { type HandlerBinding, type Phase, PHASES, type RelatedWork } from '../definitions/types.js';

export const HANDLER_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const PROCESS_GLOB = /^[A-Za-z0-9*]{1,64}\.[A-Za-z0-9*]{1,64}$/;

/**
 * Reads `instance.start,pre.instance.stop,*.create`: which processes, in which phase. `pre.`/`post.` is a phase only when two
 * more tokens follow, so that a type may be called `pre`.
 * @throws DroverError InvalidFormat, naming the part that is wrong
 */
export function parseProcessNames(names: string): { phase: Phase; glob: string }[] {
  return names
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const tokens = part.split('.');
      const phased = tokens.length === 3 && (tokens[0] === 'pre' || tokens[0] === 'post');
      const phase: Phase = phased ? (tokens[0] as Phase) : 'handle';
      const glob = phased ? tokens.slice(1).join('.') : part;
      if (!PROCESS_GLOB.test(glob))
        throw new DroverError(
          'InvalidFormat',
          `"${part}" is no process name: use <type>.<verb>, with * as a wildcard`,
          {
            fieldName: 'processConfigs',
          },
        );
      return { phase, glob: glob.toLowerCase() };
    });
}

/** An active external handler as the engine uses it. */
export function bindingOf(row: HandlerRow): HandlerBinding {
  return {
    name: row.name,
    kind: 'external',
    priority: row.priority,
    processes: row.processConfigs.flatMap((config) =>
      parseProcessNames(config.name).map((process) => ({ ...process, onError: config.onError })),
    ),
    retries: row.retries,
    timeoutMillis: row.timeoutMillis,
    heartbeatMillis: row.heartbeatMillis,
    totalMillis: row.totalMillis,
    retry: row.retry,
    delivery: row.delivery,
    limits: limitsOf(row),
  };
}

/** A handler's limits, or null where it declares none. */
export function limitsOf(declared: Partial<HandlerLimits>): HandlerLimits | null {
  const { maxInFlight = null, circuitBreaker = null } = declared;
  return maxInFlight === null && circuitBreaker === null ? null : { maxInFlight, circuitBreaker };
}

/** Handlers have theirs in the three phases; work on related resources goes before, beside and after them, or behind a step. */
export type StepPhase = Phase | 'before' | 'with' | 'join' | 'after' | 'behind';

/** One handler's turn in a process, or one piece of work on related resources. */
export interface BoundStep {
  /** `<phase>.<handler>`: what progress is kept by */
  key: string;
  phase: StepPhase;
  handler: HandlerBinding;
  onError: string | null;
  /** work on related resources: `handler` is but its name */
  related?: RelatedWork;
}

/** All handlers, built-in and external; answers which steps a process has, in order. */
export class HandlerTable {
  private readonly steps = new Map<string, BoundStep[]>();

  constructor(readonly handlers: readonly HandlerBinding[]) {}

  /** The steps of a process: by phase, then priority, then name; a handler has at most one turn per phase. */
  stepsOf(processName: string): BoundStep[] {
    let steps = this.steps.get(processName);
    if (steps === undefined) {
      steps = this.bind(processName);
      this.steps.set(processName, steps);
    }
    return steps;
  }

  private bind(processName: string): BoundStep[] {
    const bound = new Map<string, BoundStep>();
    for (const handler of this.handlers) {
      for (const { phase, glob, onError } of handler.processes) {
        const key = `${phase}.${handler.name}`;
        if (!bound.has(key) && globMatches(glob, processName)) bound.set(key, { key, phase, handler, onError });
      }
    }
    return [...bound.values()].sort(
      (a, b) =>
        PHASES.indexOf(a.phase as Phase) - PHASES.indexOf(b.phase as Phase) ||
        a.handler.priority - b.handler.priority ||
        (a.handler.name < b.handler.name ? -1 : 1),
    );
  }
}
