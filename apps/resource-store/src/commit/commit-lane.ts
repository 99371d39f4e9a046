import { type EncodedTransition, shapesOf, type SweptProcess } from '@drover/contracts';
import { callBackoffMillis, monotonicMillis, sleep, DroverError, Batcher } from '@drover/kernel';
import { constraintOf, failureKind, PinnedConnection, type Run, sqlState, type Statement } from '@drover/database';
import type { DataSource } from 'typeorm';
import { KNOWN_COMMANDS } from '../sql/read-commands.sql.js';
import { concernsFamily, Family } from './family.js';
import { concernsRelations, hindered, lockRelations } from './relations.js';

/** What a commit statement says about one input row, in the words of sql/commit-*.sql.ts. */
export interface CommitRow {
  /** position in the batch, from 1 */
  n: number;
  verdict:
    | 'ok'
    | 'again'
    | 'repeat'
    | 'staleRegistry'
    | 'conflict'
    | 'notUnique'
    | 'claimed'
    | 'parentEnded'
    | 'related'
    | 'refused';
  /** why, when refused */
  refusal?: string;
  /** absent where the transition was applied as a plain one */
  registry_revision?: number;
  /** the registry revision that this batch made, or null */
  registered: number | null;
  res: number;
  revision: number;
  state: string;
  from_state: string;
  pid: number | null;
  pver: number | null;
  now: number;
  /** processes of other regions that the resource's removal ended; absent where there can be none */
  swept?: SweptProcess[] | null;
  // with `ret`: the resource as it was before the commit
  kind: string;
  type: string;
  main_state: string;
  transitioning: 'yes' | 'no' | 'error';
  message: string | null;
  progress: number | null;
  regions: Record<string, never> | null;
  account_id: number | null;
  uuid: string | null;
  name: string | null;
  description: string | null;
  data: never;
  created: number;
  removed: number | null;
}

/** A commit statement: $1 is the batch, $2 and $3 are lists of its rows' keys, $4 and $5 its shapes. */
export interface CommitStatement extends Statement {
  keys: readonly [RowKey, RowKey];
  /** for a batch of plain transitions: shorter; it answers those that it applied */
  plain?: Statement;
}

type RowKey = 'resourceId' | 'commandId' | 'uuid';

export interface LaneOptions {
  dataSource: DataSource;
  statement: CommitStatement;
  observe?: (event: { rows: number; millis: number }) => void;
  onFailure?: (error: unknown, rows: number) => void;
  /** plain rows that the short statement left out */
  onLeft?: (rows: number) => void;
}

/** Rows in one batch at most: where the curve of rows per second has flattened (2026-11-22, 2 cores). */
const MAX_ROWS = 256;
const MAX_BYTES = 1024 * 1024;
/** A batch whose outcome stays unknown this long is given back as Unavailable: its caller repeats it. Less than the request's time-out. */
const GIVE_UP_MILLIS = 4_500;
/** A row that keeps losing races is given back as a conflict. */
const MAX_AGAIN = 20;

/**
 * Group commit of one kind of transition: gathers while the previous batch is in flight, one statement at a time on one connection.
 * Two transitions of one resource never share a batch.
 */
export class CommitLane {
  private readonly connection: PinnedConnection;
  private readonly batcher: Batcher<EncodedTransition, CommitRow>;
  /** a statement that is a transaction by itself */
  private readonly alone: Run = (statement, values) => this.connection.run(statement, values);

  constructor(private readonly options: LaneOptions) {
    this.connection = new PinnedConnection(options.dataSource);
    this.batcher = new Batcher<EncodedTransition, CommitRow>({
      flush: (rows) => this.flush(rows),
      maxItems: () => MAX_ROWS,
      maxBytes: MAX_BYTES,
      bytesOf: ({ row, shape }) => row.length + shape.length,
      keyOf: ({ head }) => head.resourceId ?? undefined,
    });
  }

  get outstanding(): number {
    return this.batcher.outstanding;
  }

  /** A row that has to be tried again (its reads were stale, or a twin went first) goes into the next batch. */
  async commit(row: EncodedTransition): Promise<CommitRow> {
    for (let tries = 0; ; tries++) {
      const result = await this.batcher.add(row);
      if (result.verdict !== 'again') return result;
      if (tries >= MAX_AGAIN) return { ...result, verdict: 'conflict' };
    }
  }

  close(): void {
    this.connection.close();
  }

  private async flush(rows: EncodedTransition[]): Promise<CommitRow[]> {
    const started = monotonicMillis();
    const { rows: distinct, twins } = withoutTwins(rows);
    const results = await this.run(distinct, started);
    this.options.observe?.({ rows: rows.length, millis: monotonicMillis() - started });
    if (twins.size === 0) return results;
    // The first of a kind has gone; the next batch sees what it left.
    const answers = results.values();
    return rows.map((_, i) => (twins.has(i) ? ({ verdict: 'again' } as CommitRow) : answers.next().value!));
  }

  /** Plain rows go into the short statement; what that leaves out goes into the full one, which says why. */
  private async run(rows: EncodedTransition[], started: number): Promise<CommitRow[]> {
    const { plain } = this.options.statement;
    if (plain === undefined || !rows.every(({ head }) => head.plain === true) || rows.some(concernsOthers))
      return this.runFull(rows, started);
    const applied = await this.untilKnown(rows, started, () => this.applyPlain(plain, rows));
    if (applied.length === rows.length) return applied.sort(byPosition);
    const done = new Map(applied.map((row) => [row.n, row]));
    const left = rows.filter((_, i) => !done.has(i + 1));
    this.options.onLeft?.(left.length);
    const others = (await this.runFull(left, started)).values();
    return rows.map((_, i) => done.get(i + 1) ?? others.next().value!);
  }

  /**
   * Split by halves only when a row is unacceptable.
   * @returns results in the order of the rows
   */
  private async runFull(rows: EncodedTransition[], started: number, races = 0): Promise<CommitRow[]> {
    try {
      return await this.untilKnown(rows, started, () =>
        rows.some(concernsOthers)
          ? this.connection.transaction((run) => this.guarded(run, rows))
          : this.execute(this.alone, rows),
      );
    } catch (error) {
      if (failureKind(error) !== 'row') throw error;
      // A uuid, a name or a region that another transaction took at the same moment: the next snapshot sees it.
      const race = sqlState(error) === '23505' && RACES.has(constraintOf(error) ?? '');
      return race && races < 3 ? this.runFull(rows, started, races + 1) : this.split(rows, error, started);
    }
  }

  /** Repeats the same batch until its outcome is known. @throws what a row, or we, did wrong */
  private async untilKnown(rows: EncodedTransition[], started: number, work: () => Promise<CommitRow[]>) {
    for (let failures = 0; ; failures++) {
      try {
        return await work();
      } catch (error) {
        this.options.onFailure?.(error, rows.length);
        if (failureKind(error) !== 'repeat') throw error;
        if (monotonicMillis() - started > GIVE_UP_MILLIS)
          throw new DroverError('Unavailable', 'The database does not answer', { cause: error });
        await sleep(callBackoffMillis(failures, Math.random(), 500));
      }
    }
  }

  /** @returns rows that were applied; none where one was written by another transaction meanwhile, or is unacceptable */
  private async applyPlain(plain: Statement, rows: EncodedTransition[]): Promise<CommitRow[]> {
    try {
      return await this.alone<CommitRow>(plain, this.valuesOf(rows));
    } catch (error) {
      if (failureKind(error) === 'row') return [];
      throw error;
    }
  }

  private async execute(run: Run, rows: EncodedTransition[]): Promise<CommitRow[]> {
    const results = await run<CommitRow>(this.options.statement, this.valuesOf(rows));
    if (results.length !== rows.length) throw new TypeError(`${results.length} outcomes for ${rows.length} rows`);
    return results.sort(byPosition);
  }

  private valuesOf(rows: EncodedTransition[]): unknown[] {
    const batch = `[${rows.map(({ row }) => row).join(',')}]`;
    const { shapes, positions } = shapesOf(rows);
    const keys = this.options.statement.keys.map((key) => keysOf(rows, key));
    return [batch, ...keys, positions, `[${shapes.join(',')}]`];
  }

  /** A batch that concerns other resources, too: what it locks, what it refuses, and what follows from it. */
  private async guarded(run: Run, rows: EncodedTransition[]): Promise<CommitRow[]> {
    if (rows.some(concernsRelations)) await lockRelations(run, rows);
    const family = new Family(run, rows);
    await family.lock();
    const refused = new Map<EncodedTransition, CommitRow['verdict']>();
    for (const row of await hindered(run, rows)) refused.set(row, 'related');
    for (const row of family.late()) refused.set(row, 'parentEnded');
    if (refused.size > 0) await forgiveRepeats(run, refused);
    const accepted = rows.filter((row) => !refused.has(row));
    const results = accepted.length === 0 ? [] : await this.execute(run, accepted);
    await family.settle(accepted, results);
    const applied = results.values();
    return rows.map((row) => {
      const verdict = refused.get(row);
      return verdict === undefined ? applied.next().value! : ({ verdict, registered: null } as CommitRow);
    });
  }

  private async split(rows: EncodedTransition[], error: unknown, started: number): Promise<CommitRow[]> {
    if (rows.length === 1) {
      const refusal = error instanceof Error ? error.message : 'unacceptable';
      return [{ n: 1, verdict: 'refused', refusal, registered: null } as CommitRow];
    }
    const middle = rows.length >> 1;
    const left = await this.runFull(rows.slice(0, middle), started);
    return left.concat(await this.runFull(rows.slice(middle), started));
  }
}

const byPosition = (a: CommitRow, b: CommitRow): number => a.n - b.n;

function concernsOthers(row: EncodedTransition): boolean {
  return concernsFamily(row) || concernsRelations(row);
}

/** A repeat of a command that was applied is answered as its first try was, whatever would refuse it now. */
async function forgiveRepeats(run: Run, refused: Map<EncodedTransition, unknown>): Promise<void> {
  const commands = [...refused.keys()].flatMap(({ head }) => head.commandId ?? []);
  const known = new Set((await run<{ id: string }>(KNOWN_COMMANDS, [commands])).map(({ id }) => id));
  for (const row of refused.keys())
    if (row.head.commandId !== null && known.has(row.head.commandId)) refused.delete(row);
}

const RACES = new Set(['command_pkey', 'resource_data_uuid', 'resource_data_claim', 'process_live_region']);

function keysOf(rows: EncodedTransition[], key: RowKey): unknown[] {
  return rows.flatMap(({ head }) => head[key] ?? []);
}

/**
 * Splits off the rows whose command or uuid is in the batch already, those that would wake a process that the batch writes (one statement
 * writes a row once, and the wake-up would be lost), and those that hang on a relation which the batch adds to.
 */
function withoutTwins(rows: EncodedTransition[]): { rows: EncodedTransition[]; twins: Set<number> } {
  const seen = new Set<string>();
  const twins = new Set<number>();
  const children = rows.some(({ head }) => head.wakeParent !== null);
  const written = new Set(children ? rows.map(({ head }) => head.processId) : []);
  const hinders = rows.some(({ head }) => head.unless !== undefined);
  const related = new Set(hinders ? rows.flatMap(({ head }) => head.relates ?? []) : []);
  rows.forEach(({ head: { commandId, uuid, wakeParent, unless, resourceId } }, i) => {
    if (unless !== undefined && related.has(resourceId!)) twins.add(i);
    if ((commandId !== null && seen.has(commandId)) || (uuid !== null && seen.has(uuid))) twins.add(i);
    if (wakeParent !== null && written.has(wakeParent)) twins.add(i);
    if (commandId !== null) seen.add(commandId);
    if (uuid !== null) seen.add(uuid);
  });
  return { rows: twins.size === 0 ? rows : rows.filter((_, i) => !twins.has(i)), twins };
}
