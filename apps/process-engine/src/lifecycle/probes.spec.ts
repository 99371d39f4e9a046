import { describe, expect, it } from 'vitest';
import { Probes } from './probes.js';

/** Probes whose releases give what `batches` says, then 0; what they did. */
function probesOf(...batches: (number | Error)[]) {
  const released: string[] = [];
  const failures: unknown[] = [];
  const probes = new Probes(
    (handler) => {
      released.push(handler);
      const batch = batches.shift() ?? 0;
      return batch instanceof Error ? Promise.reject(batch) : Promise.resolve(batch);
    },
    (handler, error) => void failures.push([handler, error]),
    1,
  );
  return { probes, released, failures, over: () => expect.poll(() => probes.size).toBe(0) };
}

describe('a probe', () => {
  it('of a handler that is there releases batch after batch, once however many asked it', async () => {
    const { probes, released, over } = probesOf(500, 20);
    probes.asked('demo');
    probes.asked('demo');
    await over();
    expect(released).toEqual(['demo', 'demo', 'demo']);
  });

  it('releases nobody when the handler was found absent since', async () => {
    const { probes, released, over } = probesOf(500);
    probes.asked('demo');
    probes.foundAbsent('demo');
    await over();
    expect(released).toEqual([]);
  });

  it('does not go by what was found before it, and nothing of that is kept', async () => {
    const { probes, released, over } = probesOf();
    for (let i = 0; i < 1_000; i++) probes.foundAbsent(`handler-${i}`);
    expect(probes.size).toBe(0);
    probes.asked('handler-1');
    await over();
    expect(released).toEqual(['handler-1']);
  });

  it('that fails is over, and the next one tries again', async () => {
    const error = new Error('no store');
    const { probes, released, failures, over } = probesOf(error);
    probes.asked('demo');
    await over();
    expect(failures).toEqual([['demo', error]]);
    probes.asked('demo');
    await over();
    expect(released).toEqual(['demo', 'demo']);
  });
});
