import { describe, expect, it } from 'vitest';
import { disagreements } from './counts.js';

describe('whether a peer did the whole unit of work', () => {
  const before = { calls: 10, processes: 9 };

  it('one call for every end is right, whatever happened before', () => {
    expect(disagreements(5, before, { calls: 15, processes: 14 })).toEqual({});
  });

  it('a handler called again is an error', () => {
    expect(disagreements(5, before, { calls: 17, processes: 14 })).toEqual({ 'called the handler again': 2 });
  });

  it('an end without a call is an error', () => {
    expect(disagreements(6, before, { calls: 15, processes: 14 })).toEqual({ 'ended without the handler': 1 });
  });

  it('a call without an end is an error', () => {
    expect(disagreements(3, before, { calls: 15, processes: 14 })).toEqual({ 'called the handler, end not heard': 2 });
  });
});
