import { DataSource, type DataSourceOptions, type MixedList } from 'typeorm';
import pg from 'pg';

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database` */
  url: string;
  /** shows in pg_stat_activity */
  applicationName: string;
  entities: MixedList<NonNullable<unknown> & (new () => object)>;
  migrations: MixedList<NonNullable<unknown> & (new () => object)>;
  /** connections in all, pinned ones included (default 12) */
  poolSize?: number;
  /** a statement that runs longer is ended by the server, milliseconds; must be less than the callers' time-outs (default 4,000) */
  statementTimeoutMillis?: number;
  /** a lock wait that takes longer ends the statement, milliseconds; less than the statement's own bound (default 2,000) */
  lockTimeoutMillis?: number;
}

/** OIDs of the types that arrive as JavaScript numbers. */
const INT8 = 20;
const NUMERIC = 1700;

/** int8 as a number: all our numbers, sequences and epochs stay below 2^53. A larger one is a bug, and says so. */
function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} exceeds 2^53`);
  return value;
}

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    if (format !== 'binary' && oid === INT8) return parseInt8;
    if (format !== 'binary' && oid === NUMERIC) return Number;
    return pg.types.getTypeParser(oid, format as 'text');
  },
};

/**
 * Options of the one DataSource of a service: no synchronize, `synchronous_commit` on, JIT off (it costs more than our statements
 * take), time-outs in the order lock < statement < request, undefined in a where clause is an error.
 */
export function dataSourceOptions(options: DatabaseOptions): DataSourceOptions {
  const { statementTimeoutMillis = 4_000, lockTimeoutMillis = 2_000 } = options;
  return {
    type: 'postgres',
    url: options.url,
    applicationName: options.applicationName,
    entities: options.entities as [],
    migrations: options.migrations as [],
    migrationsTableName: 'schema_migration',
    migrationsTransactionMode: 'each',
    synchronize: false,
    installExtensions: false,
    invalidWhereValuesBehavior: { null: 'throw', undefined: 'throw' },
    poolSize: options.poolSize ?? 12,
    connectTimeoutMS: 3_000,
    // The pool drops a broken idle connection by itself; the next query gets a new one.
    poolErrorHandler: () => undefined,
    extra: {
      types,
      keepAlive: true,
      idleTimeoutMillis: 60_000,
      options: [
        'synchronous_commit=on',
        'jit=off',
        `statement_timeout=${statementTimeoutMillis}`,
        `lock_timeout=${lockTimeoutMillis}`,
        'idle_in_transaction_session_timeout=10000',
        'timezone=UTC',
      ]
        .map((setting) => `-c ${setting}`)
        .join(' '),
    },
  } as DataSourceOptions;
}

export function createDataSource(options: DatabaseOptions): DataSource {
  return new DataSource(dataSourceOptions(options));
}
