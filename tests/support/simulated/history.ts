import type { CommitOutcome, CommitTransition, ProcessFields, ProcessRow, ResourceRow } from '@drover/contracts';
import { splitScope } from '@drover/process-model';

/** What the model's numbers are called in the real database. */
export class History {
  readonly ids = new Map<number, number>();
  readonly commands: string;

  /**
   * @param offset       the real database lives today, the simulated one in its own time: milliseconds between them
   * @param baseRevision of the registry before the history began
   */
  constructor(
    seed: number,
    readonly offset: number,
    readonly baseRevision: number,
  ) {
    this.commands = String(seed).padStart(8, '0');
  }

  id<T extends number | null>(of: T): T {
    if (of === null) return of;
    const known = this.ids.get(of);
    if (known === undefined) throw new Error(`the model's number ${of} has no counterpart`);
    return known as T;
  }

  /** A gate, or what is paused: a resource is called by its number. */
  scope<T extends string | null>(of: T): T {
    const [kind, number] = splitScope(of);
    return kind === 'resource' ? (`resource/${this.id(Number(number))}` as T) : of;
  }

  transition(t: CommitTransition): CommitTransition {
    const fields = <F extends ProcessFields>(of: F | null): F | null =>
      of === null
        ? null
        : {
            ...of,
            // The swept process of another region may be known to the notes only: what is not live is no number either.
            predecessorId: of.predecessorId === null ? null : (this.ids.get(of.predecessorId) ?? null),
            heldBy: this.scope(of.heldBy),
            ...(of.notAfter == null ? {} : { notAfter: of.notAfter + this.offset }),
          };
    return {
      ...t,
      commandId: t.commandId === null ? null : `${this.commands}${t.commandId.slice(8)}`,
      registryRevision: this.baseRevision + t.registryRevision,
      insert: t.insert === null ? null : { ...t.insert, uuid: `${this.commands}-${t.insert.uuid}` },
      resourceId: this.id(t.resourceId),
      processId: this.id(t.processId),
      wakeParent: this.id(t.wakeParent),
      update: fields(t.update),
      start: t.start === null ? null : { ...fields(t.start)!, parentId: this.id(t.start.parentId) },
    };
  }

  resource({ id, uuid, created, removed, ...row }: ResourceRow) {
    return {
      ...row,
      id: this.id(id),
      uuid: `${this.commands}-${uuid}`,
      created: created + this.offset,
      removed: removed === null ? null : removed + this.offset,
    };
  }

  process({ id, resourceId, predecessorId, parentId, startTime, readAt, ...row }: ProcessRow) {
    return {
      ...row,
      heldBy: this.scope(row.heldBy),
      id: this.id(id),
      resourceId: this.id(resourceId),
      predecessorId: predecessorId === null ? null : (this.ids.get(predecessorId) ?? null),
      parentId: this.id(parentId),
      startTime: startTime + this.offset,
      readAt: readAt + this.offset,
    };
  }

  outcome(outcome: CommitOutcome): unknown {
    switch (outcome.outcome) {
      case 'applied': {
        const { resourceId, processId, now, before } = outcome;
        const ids = {
          resourceId: this.id(resourceId),
          processId: this.id(processId),
          ...(outcome.swept === undefined
            ? {}
            : { swept: byId(outcome.swept.map((one) => ({ ...one, id: this.id(one.id) }))) }),
        };
        const resource = before === null ? null : { ...this.resource(before), revision: outcome.revision };
        return { ...outcome, ...ids, now: now + this.offset, before: resource };
      }
      case 'repeat': {
        const { resourceId, processId, resource } = outcome;
        const ids = { resourceId: this.id(resourceId), processId: this.id(processId) };
        return { ...outcome, ...ids, resource: resource === null ? null : this.resource(resource) };
      }
      case 'conflict': {
        const { resource, process } = outcome;
        return {
          ...outcome,
          resource: resource === null ? null : this.resource(resource),
          process: process === null ? null : this.process(process),
        };
      }
      case 'staleRegistry':
        return { ...outcome, registryRevision: this.baseRevision + outcome.registryRevision };
      default:
        return outcome;
    }
  }

  /** Numbers are given where they are made: the first answer that names one is where it is learnt. */
  learn(model: CommitOutcome, real: CommitOutcome): void {
    if (model.outcome !== 'applied' || real.outcome !== 'applied') return;
    this.ids.set(model.resourceId, real.resourceId);
    if (model.processId !== null && real.processId !== null) this.ids.set(model.processId, real.processId);
  }
}

/** Sorted, in place: their order is nobody's promise. */
export function byId<T extends { id: number }>(rows: T[]): T[] {
  return rows.sort((a, b) => a.id - b.id);
}
