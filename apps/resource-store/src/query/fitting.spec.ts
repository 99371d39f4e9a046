import { expect, it } from 'vitest';
import { fitting } from './fitting.js';

it('keeps the front part that fits, measured in bytes', () => {
  expect(fitting(['aaaa', 'bbbb', 'cccc'], 15)).toEqual({ kept: ['aaaa', 'bbbb'], cut: ['cccc'] });
  expect(fitting(['ää', 'b'], 7)).toEqual({ kept: ['ää'], cut: ['b'] });
});

it('keeps one that is too large by itself: an answer without progress would be asked for ever', () => {
  expect(fitting(['a'.repeat(100), 'b'], 10)).toEqual({ kept: ['a'.repeat(100)], cut: ['b'] });
  expect(fitting([], 10)).toEqual({ kept: [], cut: [] });
});
