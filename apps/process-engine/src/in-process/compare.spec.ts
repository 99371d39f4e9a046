import { describe, expect, it } from 'vitest';
import { differences } from './compare.js';

const result = (value: object) => ({ result: value as never });

describe('two runs of one handler', () => {
  it('that do the same do not differ, whatever the order of keys', () => {
    expect(
      differences(result({ data: { a: 1, b: [1, { c: null }] } }), result({ data: { b: [1, { c: null }], a: 1 } })),
    ).toBe(null);
    expect(differences({ threw: 'no' }, { threw: 'no' })).toBe(null);
  });

  it('differ where a value, a key or the length of a list does, and the message says where', () => {
    expect(differences(result({ data: { a: 1 } }), result({ data: { a: 2 } }))).toBe('data.a differs: 1, then 2');
    expect(differences(result({}), result({ delayMillis: 5 }))).toBe('delayMillis differs: nothing, then 5');
    expect(differences(result({ data: { l: [1] } }), result({ data: { l: [1, 2] } }))).toBe(
      'data.l differs: [1], then [1,2]',
    );
    expect(differences(result({ data: { l: [{ x: 1 }] } }), result({ data: { l: [{ x: '1' }] } }))).toBe(
      'data.l.0.x differs: 1, then "1"',
    );
  });

  it('differ when one throws, or throws something else', () => {
    expect(differences({ threw: 'gone' }, result({}))).toBe('the first run threw "gone", the second returned a result');
    expect(differences({ threw: 'a' }, { threw: 'b' })).toContain('threw "a", the second threw "b"');
  });

  it('that differ in a password say so without its value', () => {
    const said = differences(result({ data: { pin: 'one' } }), result({ data: { pin: 'two' } }), new Set(['pin']));
    expect(said).toBe('data.pin differs');
  });

  it('that differ everywhere are not told of at length', () => {
    const many = (value: number) => result(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, value])));
    expect(differences(many(1), many(2))).toMatch(/^(k\d+ differs: 1, then 2; ){5}and 15 more$/);
  });
});
