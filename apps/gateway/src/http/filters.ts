import type { Filter } from '@drover/contracts';
import { DroverError, type Json, type JsonObject, parseId } from '@drover/kernel';

/** What a filterable field holds: decides how the text of a query is read, and which modifiers make sense. */
export type FilterKind = 'text' | 'number' | 'boolean' | 'time' | 'date' | 'id' | 'idText';

const MODIFIERS = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'prefix', 'like', 'notlike', 'null', 'notnull'] as const;
type Modifier = (typeof MODIFIERS)[number];
const TEXT_ONLY: readonly Modifier[] = ['prefix', 'like', 'notlike'];

/**
 * Reads `field=v` and `field_<modifier>=v`; several on one field combine.
 * @throws DroverError InvalidFilter for an unknown field, an unknown modifier or a value the field cannot hold; nothing is dropped
 */
export function parseFilters(query: [key: string, value: string][], fields: ReadonlyMap<string, FilterKind>): Filter[] {
  return query.map(([key, text]) => {
    const { field, modifier } = split(key, fields);
    const kind = fields.get(field)!;
    if (TEXT_ONLY.includes(modifier) && kind !== 'text')
      throw new DroverError('InvalidFilter', `"${modifier}" goes with text; "${field}" holds none`, { fieldName: key });
    if (modifier === 'null' || modifier === 'notnull') return { field, modifier, value: null };
    return { field, modifier, value: valueOf(kind, key, text) };
  });
}

/** The filters as the collection echoes them: by field, each with its modifier. */
export function echoFilters(filters: Filter[]): JsonObject {
  const echo: Record<string, Json[]> = {};
  for (const { field, modifier, value } of filters) (echo[field] ??= []).push({ modifier, value });
  return echo;
}

function split(key: string, fields: ReadonlyMap<string, FilterKind>): { field: string; modifier: Modifier } {
  if (fields.has(key)) return { field: key, modifier: 'eq' };
  const at = key.lastIndexOf('_');
  const field = key.slice(0, Math.max(at, 0));
  const modifier = key.slice(at + 1);
  if (!fields.has(field))
    throw new DroverError(
      'InvalidFilter',
      `There is no field "${at > 0 ? field : key}" to filter by; there are ${[...fields.keys()].join(', ')}`,
      {
        fieldName: key,
      },
    );
  if (!isModifier(modifier))
    throw new DroverError('InvalidFilter', `Unknown modifier "${modifier}"; there are ${MODIFIERS.join(', ')}`, {
      fieldName: key,
    });
  return { field, modifier };
}

function isModifier(text: string): text is Modifier {
  return (MODIFIERS as readonly string[]).includes(text);
}

function valueOf(kind: FilterKind, key: string, text: string): string | number | boolean {
  const value = READERS[kind](text);
  if (value === undefined)
    throw new DroverError('InvalidFilter', `"${text.slice(0, 100)}" is no value for ${key}`, { fieldName: key });
  return value;
}

const READERS: Record<FilterKind, (text: string) => string | number | boolean | undefined> = {
  text: (text) => (text.includes('\u0000') || !text.isWellFormed() ? undefined : text),
  number: (text) => (text.trim() === '' || !Number.isFinite(Number(text)) ? undefined : Number(text)),
  boolean: (text) => ({ true: true, false: false })[text],
  time: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : finite(Date.parse(text))),
  date: (text) => (Number.isNaN(Date.parse(text)) ? undefined : text),
  id: (text) => parseId(text.toLowerCase())?.number,
  idText: (text) => (parseId(text.toLowerCase()) === null ? undefined : text.toLowerCase()),
};

function finite(number: number): number | undefined {
  return Number.isFinite(number) ? number : undefined;
}

/** For lists that cannot be filtered. @throws DroverError InvalidFilter */
export function refuseFilters(query: { filters: [key: string, value: string][] }): void {
  const [key] = query.filters[0] ?? [];
  if (key !== undefined) throw new DroverError('InvalidFilter', `This list has no filter "${key}"`, { fieldName: key });
}
