import { relatedName } from '../definitions/relationships.js';
import type { HandlerBinding, ProcessDefinition, RelatedWork, TypeDefinition } from '../definitions/types.js';
import { ownProcess } from '../states/continuations.js';
import type { BoundStep, HandlerTable, StepPhase } from './bindings.js';

const known = new WeakMap<HandlerTable, Map<ProcessDefinition, BoundStep[]>>();

/**
 * All steps of a process in order: its handlers and, around them, the work on related resources that its definition asks for. A
 * process without such work costs one look-up.
 */
export function stepsOf(around: { type: TypeDefinition; handlers: HandlerTable }, processName: string): BoundStep[] {
  const bound = around.handlers.stepsOf(processName);
  const definition = ownProcess(around.type, processName);
  if (definition === null || definition.related.length === 0) return bound;
  let byDefinition = known.get(around.handlers);
  if (byDefinition === undefined) known.set(around.handlers, (byDefinition = new Map()));
  let steps = byDefinition.get(definition);
  if (steps === undefined) byDefinition.set(definition, (steps = withRelated(bound, definition)));
  return steps;
}

function withRelated(bound: BoundStep[], { related }: ProcessDefinition): BoundStep[] {
  const of = (when: RelatedWork['when'], phase: StepPhase): BoundStep[] =>
    related.filter((work) => work.when === when).map((work) => relatedStep(phase, work));
  const phase = (name: StepPhase): BoundStep[] => bound.filter((step) => step.phase === name);
  return [
    ...of('before', 'before'),
    ...phase('pre'),
    ...of('with', 'with'),
    ...phase('handle'),
    ...of('with', 'join'),
    ...phase('post'),
    ...of('after', 'after'),
  ];
}

/** A step that is work on related resources. Its name holds a dot, so that no handler is mistaken for it. */
export function relatedStep(phase: StepPhase, work: RelatedWork): BoundStep {
  const name = relatedName(work);
  const handler: HandlerBinding = {
    name,
    kind: 'related',
    priority: 0,
    processes: [],
    retries: null,
    timeoutMillis: null,
    delivery: 'core',
    limits: null,
  };
  return { key: `${phase}.${name}`, phase, handler, onError: null, related: work };
}
