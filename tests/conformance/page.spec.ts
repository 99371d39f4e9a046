import { describe, expect, it } from 'vitest';
import { AREAS } from './areas/index.js';
import { conformancePage } from './page.js';

const scenarios = AREAS.flatMap(({ scenarios }) => scenarios);

describe('the conformance suite', () => {
  it('is listed in docs/reference/conformance.md; `npx vitest run --project unit tests/conformance -u` writes it', async () => {
    await expect(await conformancePage(AREAS)).toMatchFileSnapshot('../../docs/reference/conformance.md');
  });

  it('names each rule once', () => {
    const names = scenarios.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  it('has a scenario for at least eighty rules, each with given, when and then', () => {
    expect(scenarios.length).toBeGreaterThanOrEqual(80);
    for (const { name, given, when, then } of scenarios)
      expect([name, given, when, then].every((text) => text.length > 3 && !text.endsWith('.'))).toBe(true);
  });
});
