import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globMatches } from './glob.js';

describe('globMatches', () => {
  it.each([
    ['instance.start', 'instance.start', true],
    ['instance.start', 'instance.starts', false],
    ['Instance.START', 'instance.start', true],
    ['*.create', 'volume.create', true],
    ['*.create', 'volume.created', false],
    ['instance.*', 'instance.start', true],
    ['instance.*', 'instances.start', false],
    ['*', 'anything.at.all', true],
    ['**', '', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*bc*c', 'abc', false],
    ['a*bc*c', 'abcc', true],
    ['*ab*ba*', 'aba', false],
    ['', '', true],
    ['', 'a', false],
    ['a.b', 'axb', false],
    ['a+', 'aa', false],
  ])('%s against %s: %s', (glob, name, expected) => expect(globMatches(glob, name)).toBe(expected));

  it('agrees with the obvious definition', () => {
    const matches = (glob: string, name: string): boolean => {
      if (glob === '') return name === '';
      if (glob[0] === '*') return matches(glob.slice(1), name) || (name !== '' && matches(glob, name.slice(1)));
      return name[0] === glob[0] && matches(glob.slice(1), name.slice(1));
    };
    const text = (letters: string) =>
      fc.array(fc.constantFrom(...letters), { maxLength: 8 }).map((all) => all.join(''));
    fc.assert(
      fc.property(text('ab*'), text('ab'), (glob, name) => globMatches(glob, name) === matches(glob, name)),
      {
        numRuns: 2_000,
      },
    );
  });

  it('many stars on a long name stay fast', () => {
    const began = performance.now();
    expect(globMatches('*a'.repeat(50) + 'b', 'a'.repeat(100_000))).toBe(false);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
