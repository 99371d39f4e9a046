import type { TypeDefinition } from '@drover/process-model';
import { compiled, type StoredDefinition } from './definition-store.js';

/** The present types of one registry revision, each compiled when it is first asked for. Never changes: `after` derives the next view. */
export class StoredTypes {
  private constructor(
    readonly revision: number,
    private readonly rows: ReadonlyMap<string, StoredDefinition>,
    private readonly compiled: Map<string, TypeDefinition>,
  ) {}

  /** Before anything was read: older than every revision. */
  static readonly NONE = new StoredTypes(0, new Map(), new Map());

  /** @throws DroverError InvalidDefinition when this release cannot use what is stored */
  byName(name: string): TypeDefinition | undefined {
    const known = this.compiled.get(name);
    if (known !== undefined) return known;
    const row = this.rows.get(name);
    if (row === undefined) return undefined;
    const type = compiled(row);
    this.compiled.set(name, type);
    return type;
  }

  /** @throws DroverError InvalidDefinition as {@link byName}, for any of them */
  all(): TypeDefinition[] {
    return [...this.rows.keys()].map((name) => this.byName(name)!);
  }

  /** As it is stored. */
  row(name: string): StoredDefinition | undefined {
    return this.rows.get(name);
  }

  /** The view of a higher revision. @param changed the newest versions of what changed since this one, deleted ones too */
  after(revision: number, changed: readonly StoredDefinition[]): StoredTypes {
    const rows = new Map(this.rows);
    const types = new Map(this.compiled);
    for (const row of changed) {
      types.delete(row.name);
      if (row.deleted) rows.delete(row.name);
      else rows.set(row.name, row);
    }
    return new StoredTypes(revision, rows, types);
  }
}
