import type { LimitRow } from '@drover/contracts';
import { formatId } from '@drover/kernel';
import { TypeRegistry } from '../definitions/registry.js';
import type { TypeDefinition } from '../definitions/types.js';
import { splitScope } from './pauses.js';

/** What a process is to the limits of concurrency. */
export interface Limited {
  type: TypeDefinition;
  /** full name of the process */
  process: string;
  /** undefined: not known yet, since its resource has not been read */
  account: number | null | undefined;
  /** another process started it, whose place it shares */
  isChild: boolean;
}

/**
 * The limits of concurrency, as decisions ask for them: those that operators set, and those that the present definitions declare. Never changes: one for each registry
 * revision.
 */
export class Limits {
  private readonly byScope: ReadonlyMap<string, LimitRow>;
  private readonly accounts: boolean;

  /** @param types the newest version of each */
  constructor(
    rows: readonly LimitRow[],
    private readonly types: TypeRegistry,
  ) {
    this.byScope = new Map(rows.map((row) => [row.scope, row]));
    this.accounts = rows.some(({ scope, maxConcurrent }) => scope.startsWith('account/') && maxConcurrent !== null);
  }

  /** What an account gets in its turn. */
  weightOf(account: number | null): number {
    return this.byScope.size === 0 ? 1 : (this.byScope.get(`account/${account}`)?.weight ?? 1);
  }

  /** The maximum of a scope, or null: it has none (any more). */
  maximumOf(scope: string): number | null {
    const set = this.byScope.get(scope);
    if (set !== undefined) return set.maxConcurrent;
    const [kind, name] = splitScope(scope);
    if (kind === 'type') return this.types.byName(name)?.maxConcurrent ?? null;
    return kind === 'process' ? (this.types.process(name)?.maxConcurrent ?? null) : null;
  }

  /** Asked for every attempt: nothing is put together. */
  private isDeclared(type: TypeDefinition, process: string): boolean {
    const { types } = this;
    return types.byName(type.name)?.maxConcurrent != null || types.process(process)?.maxConcurrent != null;
  }

  /**
   * The first limit that a process has to pass: account, type, process, so that who waits for the narrower holds no place that another
   * account could use. Null: none is left. `unknown`: its account may have one, and is not known yet.
   * @param passed scopes whose places it has
   */
  next({ type, process, account, isChild }: Limited, passed: readonly string[]): string | 'unknown' | null {
    if (type.system || (this.byScope.size === 0 && !this.isDeclared(type, process))) return null;
    if (this.accounts && !isChild && account !== null) {
      if (account === undefined) return 'unknown';
      const scope = `account/${account}`;
      if (!passed.includes(scope) && this.maximumOf(scope) !== null) return scope;
    }
    for (const scope of [`type/${type.name}`, `process/${process}`])
      if (!passed.includes(scope) && this.maximumOf(scope) !== null) return scope;
    return null;
  }
}

export const NO_LIMITS = new Limits([], new TypeRegistry());

/** Is it the scope of a limit of concurrency, rather than a handler's name? */
export function isScope(gate: string): boolean {
  return gate.includes('/');
}

/** A scope in words: `type instance`, `account 1a5`. */
export function scopeName(scope: string): string {
  const [kind, name] = splitScope(scope);
  return kind === 'account' ? `account ${formatId('a', Number(name))}` : `${kind} ${name}`;
}
