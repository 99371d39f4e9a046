import type { ProcessRow, RelationRef } from '@drover/contracts';
import { isGone, regionOf, type RelatedChild, type RelatedMember } from '@drover/process-model';
import type { Tables } from './tables.js';

/** The members of a relation, and the children that a process started with some of its dispatches. */
export function readRelated(
  tables: Tables,
  relation: RelationRef | null,
  stateField: string,
  parentId: number,
  dispatches: readonly number[],
): { members: RelatedMember[]; children: RelatedChild[] } {
  const members: RelatedMember[] = [];
  for (const { row, refs, live } of tables.resources.values()) {
    const meant =
      relation?.kind === 'reference'
        ? row.id === relation.id
        : relation?.kind === 'list' && refs.includes(relation.ref);
    if (!meant || row.type !== relation!.type || isGone(row.state)) continue;
    const { state } = regionOf(row, stateField);
    members.push({ id: row.id, state, live: live.get(stateField)?.row.name ?? null });
  }
  const children: RelatedChild[] = [];
  const child = (
    row: ProcessRow,
    exitReason: string | null,
    errorCode: string | null,
    errorMessage: string | null,
  ): void => {
    if (row.parentId !== parentId || !dispatches.includes(row.parentDispatch ?? 0)) return;
    const status = exitReason === null ? row.status : null;
    children.push({
      id: row.id,
      resourceId: row.resourceId,
      name: row.name,
      status,
      exitReason,
      errorCode,
      errorMessage,
    });
  };
  for (const { row } of tables.live.values()) child(row, null, row.errorCode, row.errorMessage);
  for (const one of tables.finished.values()) child(one.row, one.exitReason, one.errorCode, one.errorMessage);
  return { members, children };
}
