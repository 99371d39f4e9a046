import type { World } from './world.js';

/** What a scenario says in words, for the test's title and for the page of all scenarios. */
export interface Clauses {
  given: string;
  when: string;
  then: string;
}

/** One rule of the process semantics, and the run that shows it. */
export interface Scenario extends Clauses {
  /** the rule, as one sentence */
  name: string;
  /** where handlers of {@link World.work} run */
  kind: 'external' | 'in-process';
  run: (world: World) => Promise<void>;
}

/** The scenarios of one part of the semantics. */
export interface Area {
  title: string;
  /** what the part is about, for a reader who knows nothing of it */
  about: string;
  scenarios: Scenario[];
}

export function scenario(name: string, clauses: Clauses, run: Scenario['run']): Scenario {
  return { name, ...clauses, kind: 'external', run };
}

/** A rule of handlers that run inside the engine. */
export function inProcess(name: string, clauses: Clauses, run: Scenario['run']): Scenario {
  return { name, ...clauses, kind: 'in-process', run };
}

/** The same rule for a handler over NATS and for one that runs inside the engine. */
export function bothKinds(name: string, clauses: Clauses, run: Scenario['run']): Scenario[] {
  return (['external', 'in-process'] as const).map((kind) => ({ name: `${name} (${kind})`, ...clauses, kind, run }));
}

export function area(title: string, about: string, ...scenarios: (Scenario | Scenario[])[]): Area {
  return { title, about, scenarios: scenarios.flat() };
}
