import { afterEach, describe, expect, it, vi } from 'vitest';
import { waitFor } from './wait-for.js';

afterEach(() => void vi.restoreAllMocks());

describe('waitFor', () => {
  it('gives up when the time is up, and says what it saw last', async () => {
    const wait = waitFor(() => null, { timeoutMillis: 30, everyMillis: 5, what: 'a miracle' });
    await expect(wait).rejects.toThrow('a miracle did not come within 30 ms; last: null');
  });

  it('looks again after a time in which the whole machine stood still', async () => {
    const hours = [0, 1, 2, 2].map((hour) => hour * 3_600_000);
    vi.spyOn(performance, 'now').mockImplementation(() => hours.shift() ?? 2 * 3_600_000);
    const look = vi.fn(() => look.mock.calls.length === 2);
    await waitFor(look, { everyMillis: 1 });
    expect(look).toHaveBeenCalledTimes(2);
  });
});
