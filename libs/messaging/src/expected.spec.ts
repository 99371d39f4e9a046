import { monotonicMillis } from '@drover/kernel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Expected } from './expected.js';

interface Entry {
  name: string;
  due: number;
}

const late: string[] = [];
let expected: Expected<Entry>;
const entry = (name: string, millis: number): Entry => ({ name, due: monotonicMillis() + millis });

beforeEach(() => {
  vi.useFakeTimers();
  late.length = 0;
  expected = new Expected((entry) => late.push(entry.name));
});

afterEach(() => vi.useRealTimers());

describe('what is waited for', () => {
  it('is told when its time is up, each at its own', () => {
    expected.add('a', entry('slow', 2_000));
    expected.add('b', entry('quick', 100));
    vi.advanceTimersByTime(99);
    expect(late).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(late).toEqual(['quick']);
    vi.advanceTimersByTime(1_899);
    expect(late).toEqual(['quick']);
    vi.advanceTimersByTime(1);
    expect(late).toEqual(['quick', 'slow']);
    expect(expected.size).toBe(0);
  });

  it('is not told when it came before', () => {
    const waiting = entry('a', 100);
    expected.add('a', waiting);
    expect(expected.take('a')).toBe(waiting);
    expect(expected.take('a')).toBeUndefined();
    vi.advanceTimersByTime(1_000);
    expect(late).toEqual([]);
  });

  it('may have no deadline, and get one', () => {
    const waiting = { name: 'a', due: Infinity };
    expected.add('a', waiting);
    vi.advanceTimersByTime(1e6);
    expect(late).toEqual([]);
    waiting.due = monotonicMillis() + 10;
    expected.add('a', waiting);
    vi.advanceTimersByTime(10);
    expect(late).toEqual(['a']);
  });

  it('may be waited for anew when it is late', () => {
    expected = new Expected((entry) => {
      late.push(entry.name);
      if (late.length < 3) expected.add('a', { ...entry, due: monotonicMillis() + 50 });
    });
    expected.add('a', entry('a', 50));
    vi.advanceTimersByTime(150);
    expect(late).toEqual(['a', 'a', 'a']);
  });
});

describe('the timer', () => {
  it('is one, however much is waited for', () => {
    for (let i = 0; i < 100; i++) expected.add(String(i), entry(String(i), 1_000 + i));
    expect(vi.getTimerCount()).toBe(1);
  });

  it('does not outlive what is waited for', () => {
    expected.add('a', entry('a', 1_000));
    expected.take('a');
    expect(vi.getTimerCount()).toBe(0);
    expected.add('b', entry('b', 1_000));
    expect(expected.takeAll().map(({ name }) => name)).toEqual(['b']);
    expect(vi.getTimerCount()).toBe(0);
    expected.add('c', entry('c', 5));
    vi.advanceTimersByTime(5);
    expect(late).toEqual(['c']);
  });
});
