import { describe, expect, it } from 'vitest';
import { aligned, short, table } from './table.js';
import { line } from './testing.js';

describe('the table of a run', () => {
  it('has a row for each line, numbers under each other, and says what makes a line doubtful', () => {
    const text = table([
      line({ inflight: 1, processesPerSecond: 150 }),
      line({ engine: 'limit', processesPerSecond: 12_000, otherCores: 0.4 }),
      line({ start: 'http', rate: 500, arrivals: 'poisson', dropped: 3, errors: 2 }),
    ]);
    const rows = text.split('\n');
    expect(rows).toHaveLength(4);
    expect(rows[1]).toMatch(/^drover +nats +1 in flight +– +150 /);
    expect(rows[2]).toMatch(/ 12000 .*others used 0\.4 cores$/);
    expect(rows[3]).toMatch(/500\/s poisson .*2 errors, 3 dropped$/);
    const end = (row: string, text: string) => row.indexOf(text) + text.length;
    expect(end(rows[1]!, ' 150')).toBe(end(rows[2]!, ' 12000'));
  });

  it('shortens counts', () => {
    expect([999, 1_500, 10_000_000].map(short)).toEqual(['999', '1.5k', '10M']);
  });

  it('aligns words to the left', () => {
    expect(
      aligned([
        ['a', 'n'],
        ['word', '1'],
        ['x', '100'],
      ]),
    ).toBe('a       n\nword    1\nx     100');
  });
});
