import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ALL } from './areas/index.js';
import { conformancePage, rulesPage } from './page.js';
import { EXITS, RULES } from './rules.js';

const scenarios = ALL.flatMap(({ scenarios }) => scenarios);

describe('the conformance suite', () => {
  it('is listed in docs/reference/conformance.md; `npx vitest run --project unit tests/conformance -u` writes it', async () => {
    await expect(await conformancePage(ALL)).toMatchFileSnapshot('../../docs/reference/conformance.md');
  });

  it('names each rule once', () => {
    const names = scenarios.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  it('has each scenario with given, when and then', () => {
    for (const { name, given, when, then } of scenarios)
      expect([name, given, when, then].every((text) => text.length > 3 && !text.endsWith('.'))).toBe(true);
  });
});

describe('the rules', () => {
  const named = [...RULES.flatMap(({ rules }) => rules), ...Object.values(EXITS)].flatMap((one) =>
    'shownBy' in one ? one.shownBy : [],
  );

  it('are listed in docs/reference/rules.md', async () => {
    await expect(await rulesPage(RULES)).toMatchFileSnapshot('../../docs/reference/rules.md');
  });

  it('have each something that shows them', () => {
    for (const { rule, shownBy } of RULES.flatMap(({ rules }) => rules))
      expect([rule, shownBy.length > 0]).toEqual([rule, true]);
  });

  it('name scenarios that there are', () => {
    const names = new Set(scenarios.map(({ name }) => name.replace(/ \((external|in-process)\)$/, '')));
    expect(named.filter((one) => typeof one === 'string' && !names.has(one))).toEqual([]);
  });

  it('name tests that there are', async () => {
    const root = new URL('../../', import.meta.url);
    for (const one of named) {
      if (typeof one === 'string') continue;
      expect([one.file, (await readFile(new URL(one.file, root), 'utf8')).includes(one.title)]).toEqual([
        one.file,
        true,
      ]);
    }
  });
});
