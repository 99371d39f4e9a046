import type { EncodedTransition, TransitionHead } from '@drover/contracts';
import type { Run } from '@drover/database';
import { LOCK_FAMILY, SET_PARENT_END, WAKE_ORPHANS } from '../sql/family.sql.js';
import type { CommitRow } from './commit-lane.js';

/** A process that the batch has locked, as it was before. */
interface Locked {
  id: number;
  status: string;
  resourceId: number;
  parentId: number | null;
  parentEnd: string | null;
}

/** Does the transition concern processes of other resources: a parent, or children? */
export function concernsFamily({ head: { wakeParent, child, orphans } }: EncodedTransition): boolean {
  return wakeParent !== null || child !== undefined || orphans === true;
}

/** What a batch means to parents and children; used within one transaction, in the order of its methods. */
export class Family {
  private readonly locked = new Map<number, Locked>();

  constructor(
    private readonly run: Run,
    private readonly rows: readonly EncodedTransition[],
  ) {}

  /** Locks all that the batch will write. */
  async lock(): Promise<void> {
    if (!this.rows.some(concernsFamily)) return;
    const resources = this.rows.flatMap(({ head }) => head.resourceId ?? []);
    const parents = this.rows.flatMap(({ head: { wakeParent, child } }) => [wakeParent ?? [], child?.parentId ?? []]);
    const ending = this.rows.flatMap(({ head }) => (head.orphans === true ? head.resourceId! : []));
    const values = [resources, [...new Set(parents.flat())], ending];
    for (const process of await this.run<Locked>(LOCK_FAMILY, values)) this.locked.set(process.id, process);
  }

  /** Starts of children whose parent does not wait for them. */
  late(): EncodedTransition[] {
    return this.rows.filter(({ head }) => isFirst(head) && !this.waits(head.child!.parentId));
  }

  private waits(parentId: number): boolean {
    return this.locked.get(parentId)?.status === 'waitingChildren';
  }

  /** @param results of the committed rows, in their order */
  async settle(rows: readonly EncodedTransition[], results: readonly CommitRow[]): Promise<void> {
    const begun: { id: number; word: string }[] = [];
    const ended = new Set<number>();
    rows.forEach(({ head }, i) => {
      const result = results[i]!;
      if (result.verdict !== 'ok') return;
      const word = this.parentEndOf(head);
      if (word !== null) begun.push({ id: result.pid!, word });
      if (head.orphans !== true) return;
      for (const process of this.locked.values()) if (process.resourceId === head.resourceId) ended.add(process.id);
    });
    if (begun.length > 0) await this.run(SET_PARENT_END, [begun.map(({ id }) => id), begun.map(({ word }) => word)]);
    if (ended.size > 0) await this.run(WAKE_ORPHANS, [[...ended]]);
  }

  /** What follows an early end of its parent, of the process that a transition starts: a successor takes it over. Null: it is cancelled. */
  private parentEndOf(head: TransitionHead): string | null {
    if (head.child === undefined) return null;
    if (isFirst(head)) return head.child.parentEnd ?? null;
    return (head.processId === null ? undefined : this.locked.get(head.processId))?.parentEnd ?? null;
  }
}

/** Started by its parent, not by the end of a child before it. */
function isFirst({ child }: TransitionHead): boolean {
  return child !== undefined && child.parentEnd !== undefined;
}
