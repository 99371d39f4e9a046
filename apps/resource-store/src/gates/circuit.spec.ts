import { expect, it } from 'vitest';
import { type Circuit, circuitAfter, circuitState } from './circuit.js';

const BREAKER = { failures: 3, openMillis: 1_000 };
const CLOSED: Circuit = { failures: 0, open: false, opened: false };
const OPEN: Circuit = { failures: 3, open: true, opened: true };
const HALF_OPEN: Circuit = { failures: 3, open: false, opened: true };
const failed = (count: number) => ({ succeeded: false, failed: count });
const succeeded = (failedSince = 0) => ({ succeeded: true, failed: failedSince });

it('a circuit is closed, open or half open', () => {
  expect([CLOSED, OPEN, HALF_OPEN].map(circuitState)).toEqual(['closed', 'open', 'halfOpen']);
});

it('failures in a row open it; a success starts the count anew', () => {
  expect(circuitAfter(CLOSED, failed(2), BREAKER)).toEqual({ ...CLOSED, failures: 2 });
  expect(circuitAfter({ ...CLOSED, failures: 2 }, failed(1), BREAKER)).toEqual(OPEN);
  expect(circuitAfter({ ...CLOSED, failures: 2 }, succeeded(1), BREAKER)).toEqual({ ...CLOSED, failures: 1 });
  expect(circuitAfter(CLOSED, succeeded(3), BREAKER)).toEqual(OPEN);
});

it('while it is open, answers of attempts from before say nothing', () => {
  expect(circuitAfter(OPEN, succeeded(), BREAKER)).toBeNull();
  expect(circuitAfter(OPEN, failed(9), BREAKER)).toBeNull();
});

it('half open, a success closes it and one failure opens it again', () => {
  expect(circuitAfter(HALF_OPEN, succeeded(), BREAKER)).toEqual(CLOSED);
  expect(circuitAfter(HALF_OPEN, failed(1), BREAKER)).toEqual({ ...OPEN, failures: 4 });
  expect(circuitAfter(HALF_OPEN, failed(0), BREAKER)).toBeNull();
});

it('nothing is written when nothing changes, and a breaker that is taken away leaves a closed circuit', () => {
  expect(circuitAfter(CLOSED, succeeded(), BREAKER)).toBeNull();
  expect(circuitAfter(CLOSED, failed(1), null)).toBeNull();
  expect(circuitAfter(OPEN, failed(0), null)).toEqual(CLOSED);
});
