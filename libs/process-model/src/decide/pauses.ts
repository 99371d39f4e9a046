import type { PauseRow } from '@drover/contracts';
import type { TypeDefinition } from '../definitions/types.js';

const LIMIT = 'limit/';

/** `heldBy` of who waits for a place at a handler. */
export function limitOf(handler: string): string {
  return `${LIMIT}${handler}`;
}

/** Is it a gate that stops the clocks, rather than a handler's limit? */
export function isPause(heldBy: string | null): boolean {
  return heldBy !== null && !heldBy.startsWith(LIMIT);
}

/** `handler/demo` is handler and demo, `limit/type/instance` limit and `type/instance`; `cluster` has no second part. */
export function splitScope(scope: string | null): [kind: string, target: string] {
  const text = scope ?? '';
  const slash = text.indexOf('/');
  return slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)];
}

/** The pauses that are set, as decisions ask for them. Never changes: one for each registry revision. */
export class Pauses {
  private readonly byScope: ReadonlyMap<string, PauseRow>;

  constructor(rows: readonly PauseRow[]) {
    this.byScope = new Map(rows.map((row) => [row.scope, row]));
  }

  /**
   * The widest pause that holds an attempt, or null. A pause of the cluster leaves the product's own types alone: a handler can be
   * registered while all else stands still.
   * @param handler whose attempt it is; null: none, the process is about to end
   */
  of(type: TypeDefinition, resourceId: number, handler: string | null): PauseRow | null {
    const { byScope } = this;
    if (byScope.size === 0) return null;
    return (
      (type.system ? undefined : byScope.get('cluster')) ??
      byScope.get(`type/${type.name}`) ??
      byScope.get(`resource/${resourceId}`) ??
      (handler === null ? undefined : byScope.get(`handler/${handler}`)) ??
      null
    );
  }
}

export const NO_PAUSES = new Pauses([]);
