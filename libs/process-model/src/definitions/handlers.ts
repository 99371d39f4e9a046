import { DroverError } from '@drover/kernel';
import type { HandlerRegistration } from './document.js';
import { invalid } from './parse.js';
import type { HandlerBinding, Phase } from './types.js';
import { registrationProblems, type Problem } from './validate.js';

/** Priority of a handler that says nothing: specific, before the default ones. */
export const DEFAULT_HANDLER_PRIORITY = 1000;
const PROCESS_GLOB = /^[A-Za-z0-9*]{1,63}(\.[A-Za-z0-9*]{1,63})?$/;

/**
 * One process name of a registration: `instance.start`, `pre.instance.stop`, `*.create`. `pre.` and `post.` are a phase only when
 * two more tokens follow, so that a type may be called `pre`.
 */
export function parseProcessGlob(text: string): { phase: Phase; glob: string } {
  const tokens = text.split('.');
  const first = tokens[0]!.toLowerCase();
  const phased = tokens.length === 3 && (first === 'pre' || first === 'post');
  return phased
    ? { phase: first as Phase, glob: tokens.slice(1).join('.').toLowerCase() }
    : { phase: 'handle', glob: text.toLowerCase() };
}

/**
 * What the engine needs of a registration: from the API, from NATS or from a file.
 * @throws DroverError InvalidDefinition with a list of `{path, message}`
 */
export function bindingOf(registration: HandlerRegistration): HandlerBinding {
  const problems = [...registrationProblems(registration)];
  if (problems.length === 0) problems.push(...globProblems(registration));
  if (problems.length > 0) throw handlerError(registration, problems);
  return {
    name: registration.name,
    kind: 'external',
    priority: registration.priority ?? DEFAULT_HANDLER_PRIORITY,
    processes: boundProcesses(registration),
    retries: registration.retries ?? null,
    timeoutMillis: registration.timeoutMillis ?? null,
    delivery: registration.delivery ?? 'core',
  };
}

function boundProcesses(registration: HandlerRegistration): HandlerBinding['processes'] {
  const configs = registration.processConfigs ?? [];
  return [
    ...configs,
    ...(registration.processNames === undefined ? [] : [{ name: registration.processNames }]),
  ].flatMap(({ name, onError }: { name: string; onError?: string | null }) =>
    splitNames(name).map((text) => ({ ...parseProcessGlob(text), onError: onError?.toLowerCase() ?? null })),
  );
}

function splitNames(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function globProblems(registration: HandlerRegistration): Problem[] {
  const bound = boundProcesses(registration);
  if (bound.length === 0)
    return [{ path: '/processConfigs', message: 'names no process: give processConfigs or processNames' }];
  return bound
    .filter(({ glob }) => !PROCESS_GLOB.test(glob))
    .map(({ glob }) => ({
      path: '/processConfigs',
      message: `"${glob}" is no process name: write type.verb, with * for any text`,
    }));
}

function handlerError(registration: HandlerRegistration, problems: Problem[]): DroverError {
  const name = typeof registration?.name === 'string' ? `handler ${registration.name}: ` : 'handler: ';
  return invalid(problems.map(({ path, message }) => ({ path, message: name + message })));
}
