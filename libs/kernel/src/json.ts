import { DroverError } from './errors.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Deepest nesting of objects and arrays that is accepted anywhere. */
export const MAX_JSON_DEPTH = 32;
/** Largest HTTP request body and largest `data` of a resource, bytes. */
export const MAX_BODY_BYTES = 256 * 1024;

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Parses JSON from outside. Depth is measured by a scan that does not recurse, before parsing; U+0000, lone surrogates (the
 * database refuses both, and with them a whole batch) and keys that name prototypes are refused.
 * @throws DroverError InvalidBodyContent, TooDeep
 */
export function parseJson(text: string, maxDepth: number = MAX_JSON_DEPTH): Json {
  if (jsonDepth(text) > maxDepth) throw new DroverError('TooDeep', `JSON is nested deeper than ${maxDepth} levels`);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new DroverError('InvalidBodyContent', 'The body is not valid JSON');
  }
  refuseUnstorable(value);
  return value;
}

/** Nesting depth of a JSON text, strings skipped; never recurses. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 92 /* \ */) i++;
      else if (c === 34 /* " */) inString = false;
    } else if (c === 34) inString = true;
    else if (c === 123 /* { */ || c === 91 /* [ */) {
      if (++depth > deepest) deepest = depth;
    } else if (c === 125 /* } */ || c === 93 /* ] */) depth--;
  }
  return deepest;
}

/** @throws DroverError InvalidBodyContent, naming what cannot be stored. The value's depth must already be bounded. */
export function refuseUnstorable(value: Json): void {
  if (typeof value === 'string') {
    if (value.includes('\u0000')) throw new DroverError('InvalidBodyContent', 'Text may not contain U+0000');
    if (!value.isWellFormed())
      throw new DroverError('InvalidBodyContent', 'Text may not contain a lone surrogate (half of a UTF-16 pair)');
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new DroverError('InvalidBodyContent', 'A number is too large to be kept');
  } else if (Array.isArray(value)) {
    for (const entry of value) refuseUnstorable(entry);
  } else if (value !== null && typeof value === 'object') {
    for (const key of Object.keys(value)) {
      if (FORBIDDEN_KEYS.has(key)) throw new DroverError('InvalidBodyContent', `The key "${key}" is not allowed`);
      refuseUnstorable(key);
      refuseUnstorable(value[key]!);
    }
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/**
 * Cattle's merge: key `x` replaces, key `+x` merges its map into map x (nested `+` keys alike). Returns a new object.
 * @throws DroverError InvalidBodyContent for a prototype key
 */
export function mergeData(base: JsonObject, patch: JsonObject): JsonObject {
  const merged: JsonObject = { ...base };
  for (const [rawKey, value] of Object.entries(patch)) {
    const plus = rawKey.startsWith('+') && rawKey.length > 1;
    const key = plus ? rawKey.slice(1) : rawKey;
    if (FORBIDDEN_KEYS.has(key)) throw new DroverError('InvalidBodyContent', `The key "${key}" is not allowed`);
    if (plus && isJsonObject(value)) {
      const old = Object.hasOwn(merged, key) ? merged[key] : undefined;
      merged[key] = mergeData(isJsonObject(old) ? old : {}, value);
    } else merged[key] = value;
  }
  return merged;
}

/** Structural equality; the order of keys does not count. */
export function jsonEquals(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((entry, i) => jsonEquals(entry, b[i]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && jsonEquals(a[key], b[key]))
  );
}

/** JSON with keys in order: the same text for the same value. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (isJsonObject(value))
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
      .join(',')}}`;
  return JSON.stringify(value) ?? 'null';
}
