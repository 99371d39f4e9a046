import { describe, expect, it } from 'vitest';
import { parseShard } from './shard.js';

describe('the shard of a store', () => {
  it('is k/n, from 0', () => {
    expect(parseShard('0/1')).toEqual({ index: 0, count: 1 });
    expect(parseShard('3/4')).toEqual({ index: 3, count: 4 });
  });

  it.each(['', '1', '4/4', '0/0', '-1/2', '1/2/3', 'a/b', '0/5000', '1.5/2'])('%j is none', (text) => {
    expect(() => parseShard(text)).toThrow('must be k/n');
  });
});
