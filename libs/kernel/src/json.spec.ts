import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type Json, jsonDepth, jsonEquals, mergeData, parseJson } from './json.js';

describe('jsonDepth', () => {
  it.each([
    ['1', 0],
    ['{}', 1],
    ['[[],[[]]]', 3],
    ['{"a":"[[[[{{{{"}', 1],
    ['{"a":"\\"[[["}', 1],
    ['{"a\\\\":[1]}', 2],
    ['', 0],
  ])('%s is %i deep', (text, depth) => expect(jsonDepth(text)).toBe(depth));

  it('a million open brackets do not recurse', () => {
    expect(jsonDepth('['.repeat(1_000_000))).toBe(1_000_000);
  });
});

describe('parseJson', () => {
  it('what is 32 levels deep is read, 33 is not', () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(parseJson(nested(32))).toBeInstanceOf(Array);
    expect(() => parseJson(nested(33))).toThrow(expect.objectContaining({ code: 'TooDeep' }));
    expect(() => parseJson('['.repeat(100_000))).toThrow(expect.objectContaining({ code: 'TooDeep' }));
    expect(parseJson(nested(40), 40)).toBeInstanceOf(Array);
  });

  it.each([
    ['cut off', '{"a":'],
    ['empty', ''],
    ['not JSON', 'a: 1'],
    ['two values', '1 2'],
    ['U+0000', '"a\\u0000"'],
    ['U+0000 in a key', '{"\\u0000":1}'],
    ['the first half of a pair', '"\\ud83d"'],
    ['the second half of a pair', '["\\ude00"]'],
    ['__proto__', '{"a":[{"__proto__":1}]}'],
    ['constructor', '{"constructor":{}}'],
    ['prototype', '{"prototype":{}}'],
    ['a number beyond every number', '{"a":1e999}'],
  ])('%s is refused', (_, text) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: 'InvalidBodyContent' }));
  });

  it('a whole pair is text like any other', () => {
    expect(parseJson('"\\ud83d\\ude00"')).toBe('😀');
  });

  it('reads back what JSON.stringify wrote', () => {
    const storable = fc
      .jsonValue({ maxDepth: 5 })
      .filter((one) => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(one)));
    fc.assert(
      fc.property(storable, (one) => jsonEquals(parseJson(JSON.stringify(one)), JSON.parse(JSON.stringify(one)))),
      { seed: 20261122 },
    );
  });
});

describe('mergeData', () => {
  it('x replaces, +x merges, at every depth', () => {
    const base = { a: 1, m: { x: 1, n: { p: 1, q: 1 } }, keep: true };
    const merged = mergeData(base, { a: 2, '+m': { y: 2, '+n': { q: 2 } } });
    expect(merged).toEqual({ a: 2, m: { x: 1, y: 2, n: { p: 1, q: 2 } }, keep: true });
    expect(base).toEqual({ a: 1, m: { x: 1, n: { p: 1, q: 1 } }, keep: true });
  });

  it('+x makes the map that is not there, and replaces what is no map', () => {
    expect(mergeData({}, { '+m': { a: 1 } })).toEqual({ m: { a: 1 } });
    expect(mergeData({ m: 'text' }, { '+m': { a: 1 } })).toEqual({ m: { a: 1 } });
    expect(mergeData({ m: { a: 1 } }, { '+m': 'text' })).toEqual({ m: 'text' });
  });

  it('a lone + is a key', () => {
    expect(mergeData({}, { '+': 1 })).toEqual({ '+': 1 });
  });

  it.each(['__proto__', '+__proto__', '+constructor', 'prototype'])('%s is refused', (key) => {
    const patch = JSON.parse(`{${JSON.stringify(key)}:{"polluted":true}}`) as { [key: string]: Json };
    expect(() => mergeData({}, patch)).toThrow(/is not allowed/);
    expect(() => mergeData({ m: {} }, { '+m': patch })).toThrow(/is not allowed/);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('jsonEquals and canonicalJson', () => {
  it('the order of keys does not count, that of entries does', () => {
    expect(jsonEquals({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true);
    expect(jsonEquals([1, 2], [2, 1])).toBe(false);
    expect(canonicalJson({ b: { d: 1, c: 2 }, a: [2, 1] })).toBe('{"a":[2,1],"b":{"c":2,"d":1}}');
  });

  it.each([
    [{ a: undefined }, {}],
    [{ a: null }, {}],
    [[], {}],
    [null, {}],
    ['1', 1],
    [{ toString: 1 }, { a: 1 }],
  ])('%j differs from %j', (a, b) => {
    expect(jsonEquals(a, b)).toBe(false);
    expect(jsonEquals(b, a)).toBe(false);
  });

  it('equal values have one text', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const [x, y] = [a, b].map((value) => JSON.parse(JSON.stringify(value)) as Json);
        return jsonEquals(x, y) === (canonicalJson(x) === canonicalJson(y));
      }),
    );
  });
});
