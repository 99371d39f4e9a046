import {
  isGone,
  isTransitioning,
  ownProcess,
  regionOf,
  transitioningStates,
  type TypeDefinition,
} from '@drover/process-model';
import type { Applied, StoredResource } from '../store/rows.js';

type TypeAt = (name: string, version: number) => TypeDefinition;

const kept = new WeakMap<TypeDefinition, Map<string, ReadonlySet<string>>>();

/** The states of a field in which some process works. */
export function transitioningOf(type: TypeDefinition, field: string): ReadonlySet<string> {
  let fields = kept.get(type);
  if (fields === undefined) kept.set(type, (fields = new Map()));
  let states = fields.get(field);
  if (states === undefined) fields.set(field, (states = transitioningStates(type, field)));
  return states;
}

/** Invariant 2 for one region of a resource: in a transitioning state if and only if one live process holds it. Null: it holds. */
export function regionProblem(stored: StoredResource, field: string, typeAt: TypeAt): string | null {
  const { row, live } = stored;
  const { state } = regionOf(row, field);
  const held = live.get(field);
  const busy = transitioningOf(typeAt(row.type, 0), field).has(state);
  if (field !== 'state' && isGone(row.state))
    return held === undefined ? null : `${row.state}, and ${held.row.name} lives on ${field}`;
  if (busy && held === undefined) return `${field} is ${state}, and no live process holds it`;
  if (held === undefined) return null;
  if (!busy) return `${field} rests in ${state}, and ${held.row.name} is live`;
  const definition = ownProcess(typeAt(row.type, held.row.definitionVersion), held.row.name);
  return definition !== null && isTransitioning(definition, state)
    ? null
    : `${held.row.name} holds ${state} of ${field}`;
}

/** Invariant 3: a state moves only along an edge of its definition, or by an act that is recorded as such. Null: it did. */
export function illegalMove(
  { transition, before, after, guarded, live, ended }: Applied,
  typeAt: TypeAt,
): string | null {
  const { stateField, start, update, end } = transition;
  const from = regionOf(before!, stateField).state;
  const to = regionOf(after, stateField).state;
  if (from === to) return null;
  const move = `${stateField} moved from ${from} to ${to}`;
  if (start !== null) {
    const next = ownProcess(typeAt(after.type, start.definitionVersion), start.name)!;
    if (!isTransitioning(next, to)) return `${move}, where ${next.name} does not work`;
    return guarded === null && next.transitioning[from] !== to ? `${move}: no start of ${next.name}` : null;
  }
  if (update !== null) {
    const next = ownProcess(typeAt(after.type, live!.row.definitionVersion), update.name)!;
    return isTransitioning(next, to) ? null : `${move}, where ${update.name} does not work`;
  }
  if (end === null || guarded === null) return `${move}, and nobody moved it`;
  const { row } = ended[0]!;
  const transitions = (end.progress['transitions'] as { kind: string }[] | undefined) ?? [];
  const kind = transitions.at(-1)?.kind;
  const process = ownProcess(typeAt(after.type, row.definitionVersion), row.name)!;
  if (kind === 'canceled' || kind === 'forced') return null;
  return kind === 'done' && process.done[from] === to ? null : `${move}: ${row.name} ended as ${kind}`;
}
