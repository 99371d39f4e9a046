import type { Filter } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import type { FieldDefinition, TypeDefinition } from '@drover/process-model';

/** How a filterable column is written in SQL, and what its values are. */
export interface FilterColumn {
  /** an SQL expression: from our own tables of names, never from a request */
  sql: string;
  type: 'text' | 'number' | 'boolean' | 'time';
  /** the column's own type, where its index is to be used */
  cast?: 'bigint';
}

export type FilterColumns = (field: string) => FilterColumn | undefined;

/** Collects the parameters of one statement. */
export class Parameters {
  readonly values: unknown[] = [];

  /** @returns the placeholder, `$1` first */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

const COMPARISONS = { eq: '=', ne: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;
const CASTS = { text: 'text', number: 'numeric', boolean: 'boolean', time: 'timestamptz' } as const;

/**
 * Conditions of a list as SQL; values travel as parameters only.
 * @throws DroverError InvalidFilter for an unknown field, a modifier that does not fit the field, or a value of the wrong kind
 */
export function conditions(filters: Filter[], columns: FilterColumns, parameters: Parameters): string[] {
  return filters.map((filter) => condition(filter, columns, parameters));
}

function condition({ field, modifier, value }: Filter, columns: FilterColumns, parameters: Parameters): string {
  const column = columns(field);
  if (column === undefined) throw new DroverError('InvalidFilter', `There is no field ${field} to filter by`);
  if (modifier === 'null' || (modifier === 'eq' && value === null)) return `(${column.sql}) is null`;
  if (modifier === 'notnull' || (modifier === 'ne' && value === null)) return `(${column.sql}) is not null`;
  if (Object.hasOwn(COMPARISONS, modifier)) {
    const typed = `${parameters.add(valueFor(field, column, value))}::${column.cast ?? CASTS[column.type]}`;
    // A resource without a value is not equal to one.
    if (modifier === 'ne') return `(${column.sql}) is distinct from ${typed}`;
    return `(${column.sql}) ${COMPARISONS[modifier as keyof typeof COMPARISONS]} ${typed}`;
  }
  if (column.type !== 'text')
    throw new DroverError('InvalidFilter', `The modifier ${modifier} is for texts; ${field} is none`);
  if (modifier === 'prefix') return `starts_with(${column.sql}, ${parameters.add(String(value))}::text)`;
  // As in Cattle, % stands for any run of characters; the rest is literal.
  const pattern = parameters.add(String(value).replaceAll('\\', '\\\\').replaceAll('_', '\\_'));
  return modifier === 'like' ? `(${column.sql}) like ${pattern}::text` : `(${column.sql}) not like ${pattern}::text`;
}

function valueFor(field: string, { type, cast }: FilterColumn, value: Filter['value']): unknown {
  const fail = (what: string): never => {
    throw new DroverError('InvalidFilter', `${field} is compared with ${what}`, { fieldName: field });
  };
  switch (type) {
    case 'number': {
      const number = typeof value === 'boolean' || value === '' ? NaN : Number(value);
      if (cast === 'bigint' && !Number.isSafeInteger(number)) return fail('a whole number');
      return Number.isFinite(number) ? number : fail('a number');
    }
    case 'boolean': {
      if (typeof value === 'boolean') return value;
      return value === 'true' ? true : value === 'false' ? false : fail('true or false');
    }
    case 'time': {
      const text = String(value);
      const date = new Date(typeof value === 'number' || /^\d+$/.test(text) ? Number(text) : text);
      return Number.isNaN(date.getTime()) ? fail('a time') : date.toISOString();
    }
    case 'text': {
      const text = String(value);
      return text.includes('\u0000') || !text.isWellFormed() ? fail('a text without U+0000') : text;
    }
  }
}

const ENVELOPE: Record<string, FilterColumn> = {
  id: { sql: 'r.id', type: 'number', cast: 'bigint' },
  kind: { sql: 'r.kind', type: 'text' },
  state: { sql: 'r.state', type: 'text' },
  transitioning: { sql: 'r.transitioning', type: 'text' },
  accountId: { sql: 'r.account_id', type: 'number' },
  revision: { sql: 'r.revision', type: 'number' },
  uuid: { sql: 'd.uuid', type: 'text' },
  name: { sql: 'd.name', type: 'text' },
  description: { sql: 'd.description', type: 'text' },
  created: { sql: 'd.created', type: 'time' },
  removed: { sql: 'd.removed', type: 'time' },
};

/** Envelope columns, declared fields and state fields of a type. */
export function resourceColumns({
  fields,
  stateFields,
}: Pick<TypeDefinition, 'fields' | 'stateFields'>): FilterColumns {
  return (name) => {
    if (Object.hasOwn(ENVELOPE, name)) return ENVELOPE[name];
    if (Object.hasOwn(stateFields, name)) return { sql: `r.regions -> ${literal(name)} ->> 'state'`, type: 'text' };
    if (Object.hasOwn(fields, name)) return dataColumn(name, fields[name]!);
    return undefined;
  };
}

/** Has the type every field that the filters name? */
export function knowsAll(type: Pick<TypeDefinition, 'fields' | 'stateFields'>, filters: readonly Filter[]): boolean {
  const columns = resourceColumns(type);
  return filters.every(({ field }) => columns(field) !== undefined);
}

/** A field inside `data`. A stored value of another JSON type than declared counts as none, instead of failing the whole list. */
function dataColumn(name: string, { type }: FieldDefinition): FilterColumn | undefined {
  const value = `d.data -> ${literal(name)}`;
  const text = `d.data ->> ${literal(name)}`;
  const only = (jsonType: string, sql: string): string =>
    `case when jsonb_typeof(${value}) = '${jsonType}' then ${sql} end`;
  switch (type) {
    case 'int':
    case 'float':
      return { sql: only('number', `(${text})::numeric`), type: 'number' };
    case 'boolean':
      return { sql: only('boolean', `(${text})::boolean`), type: 'boolean' };
    case 'password':
      return undefined;
    default:
      return { sql: text, type: 'text' };
  }
}

/** Declared names are letters and digits; quoting is for whoever loosens that. */
const literal = (name: string): string => `'${name.replaceAll("'", "''")}'`;

const PROCESS_COLUMNS: Record<string, FilterColumn> = {
  id: { sql: 'p.id', type: 'number' },
  processName: { sql: 'p.name', type: 'text' },
  name: { sql: 'p.name', type: 'text' },
  resourceType: { sql: 'p.resource_type', type: 'text' },
  resourceId: { sql: 'p.resource_id', type: 'number' },
  stateField: { sql: 'p.state_field', type: 'text' },
  startTime: { sql: 'p.start_time', type: 'time' },
  parentId: { sql: 'p.parent_id', type: 'number', cast: 'bigint' },
  priority: { sql: 'p.priority', type: 'number' },
  accountId: { sql: 'p.account_id', type: 'number' },
  executionCount: { sql: 'p.execution_count', type: 'number' },
  errorCode: { sql: 'p.error_code', type: 'text' },
};

/** Of live processes, where what only finished ones have is null; and the other way round. */
export function processColumns(live: boolean): FilterColumns {
  const own: Record<string, FilterColumn> = live
    ? {
        status: { sql: 'p.status', type: 'text' },
        waitingHandler: { sql: 'p.waiting_handler', type: 'text' },
        endTime: { sql: 'null::timestamptz', type: 'time' },
        exitReason: { sql: 'null::text', type: 'text' },
      }
    : {
        status: { sql: 'null::text', type: 'text' },
        waitingHandler: { sql: 'null::text', type: 'text' },
        endTime: { sql: 'p.end_time', type: 'time' },
        exitReason: { sql: 'p.exit_reason', type: 'text' },
      };
  return (name) =>
    Object.hasOwn(PROCESS_COLUMNS, name) ? PROCESS_COLUMNS[name] : Object.hasOwn(own, name) ? own[name] : undefined;
}

/** A `where` of all conditions, or nothing. */
export const allOf = (where: string[]): string => (where.length === 0 ? '' : ` where ${where.join(' and ')}`);
