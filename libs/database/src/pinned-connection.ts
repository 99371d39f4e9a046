import type { DataSource } from 'typeorm';
import type { PoolClient, QueryConfig, QueryResult } from 'pg';

/** One statement, prepared once per connection under its name. */
export interface Statement {
  /** at most 63 characters, unique among the statements of a program */
  name: string;
  text: string;
}

/** Runs a statement of a transaction. */
export type Run = <Row extends object>(statement: Statement, values: unknown[]) => Promise<Row[]>;

/**
 * The server ends a statement by itself after 4 s. One that says nothing for longer is behind a broken network: the connection is given up.
 */
const ANSWER_MILLIS = 5_000;

/** As TypeORM's PostgreSQL driver gives it; not part of its public types. */
interface PooledDriver {
  obtainMasterConnection(): Promise<[PoolClient, (error?: Error) => void]>;
}

/**
 * Settings of a connection that runs batches. The plan is generic (made once, not per batch), and what it costs must not hang on what
 * the statistics said when it was made: no sequential scan (at some hundred rows the planner flips to one of the whole table, 22 ms
 * instead of 2.5), no nested loop (over a table that was empty when the plan was made: 100 ms). What remains is index scans by key and
 * hash joins.
 */
export const PINNED_SETTINGS = [
  'set plan_cache_mode = force_generic_plan',
  'set enable_seqscan = off',
  'set enable_nestloop = off',
  'set enable_mergejoin = off',
  'set enable_bitmapscan = off',
  'set max_parallel_workers_per_gather = 0',
].join('; ');

/**
 * One connection of the pool, held for good, for the statements of one lane: prepared once, with pinned plans. After any error of
 * the connection itself the next call takes a new one.
 */
export class PinnedConnection {
  private held: Promise<{ client: PoolClient; release: (error?: Error) => void }> | null = null;
  private closed = false;

  constructor(private readonly dataSource: DataSource) {}

  async run<Row extends object>(statement: Statement, values: unknown[]): Promise<Row[]> {
    const { client } = await this.obtain();
    return this.query<Row>(client, { ...statement, values });
  }

  /**
   * Several statements that apply together or not at all. Each reads what was committed before it began: also what a statement before
   * it waited for.
   */
  async transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const { client } = await this.obtain();
    await this.query(client, { text: 'begin' });
    try {
      const result = await work((statement, values) => this.query(client, { ...statement, values }));
      await this.query(client, { text: 'commit' });
      return result;
    } catch (error) {
      // Where the connection is gone, so is its transaction.
      await this.query(client, { text: 'rollback' }).catch(() => undefined);
      throw error;
    }
  }

  private async query<Row extends object>(client: PoolClient, config: QueryConfig): Promise<Row[]> {
    try {
      return await answered<Row>(client, config);
    } catch (error) {
      // No SQLSTATE: the socket broke. Class 57P: the server is ending us. Either way this connection is used up.
      const code = (error as { code?: string }).code;
      if (code === undefined || code.length !== 5 || /^(08|57P)/.test(code)) this.drop(error as Error);
      throw error;
    }
  }

  /** Gives the connection back for good. */
  close(): void {
    this.closed = true;
    this.drop(new Error('closed'));
  }

  private obtain(): Promise<{ client: PoolClient; release: (error?: Error) => void }> {
    if (this.closed) return Promise.reject(new Error('the connection was closed'));
    this.held ??= this.open().catch((error: unknown) => {
      this.held = null;
      throw error;
    });
    return this.held;
  }

  private async open(): Promise<{ client: PoolClient; release: (error?: Error) => void }> {
    const driver = this.dataSource.driver as unknown as PooledDriver;
    const [client, release] = await driver.obtainMasterConnection();
    client.on('error', (error: Error) => this.drop(error));
    try {
      await client.query(PINNED_SETTINGS);
    } catch (error) {
      release(error as Error);
      throw error;
    }
    return { client, release };
  }

  private drop(error: Error): void {
    const held = this.held;
    this.held = null;
    void held?.then(({ release }) => release(error)).catch(() => undefined);
  }
}

/**
 * The rows, or an error after ANSWER_MILLIS. pg's own promise and `query_timeout` both set `query.callback = () => …`: V8 makes a function that is
 * assigned to a property in the old generation, and whatever it reaches, all rows of the answer, is kept until a major collection (ADR 059).
 */
function answered<Row extends object>(client: PoolClient, config: QueryConfig): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no answer in time')), ANSWER_MILLIS);
    client.query<Row>(config, (error: Error | null, result: QueryResult<Row>) => {
      clearTimeout(late);
      if (error === null) resolve(result.rows);
      else reject(error);
    });
  });
}
