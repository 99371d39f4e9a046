import { afterAll, describe, expect, it } from 'vitest';
import { Graphviz } from './graphviz.js';

const graphviz = new Graphviz();
afterAll(() => graphviz.onApplicationShutdown());

describe('drawing', () => {
  it('makes SVG, and does not draw the same text twice', async () => {
    const first = await graphviz.svg('digraph { a -> b }');
    expect(first).toContain('<svg');
    // Drawn in another thread, a picture takes turns of the event loop; a kept one takes none.
    const { result, turns } = await turnsDuring(() => graphviz.svg('digraph { a -> b }'));
    expect(result).toBe(first);
    expect(turns).toBe(0);
  });

  it('leaves the requests alone meanwhile', async () => {
    const edges = Array.from({ length: 150 }, (_, i) => `s${i % 40} -> s${(i * 7) % 40} [label="p${i}"]`).join(';');
    const { turns } = await turnsDuring(() => graphviz.svg(`digraph { ${edges} }`));
    expect(turns).toBeGreaterThan(100);
  });

  it('text cannot become markup', async () => {
    expect(await graphviz.svg('digraph { a [label="<script>alert(1)</script>"] }')).not.toContain('<script>');
  });

  it('what is no DOT is an error, and the next picture is drawn', async () => {
    await expect(graphviz.svg('no dot {')).rejects.toThrow();
    expect(await graphviz.svg('digraph { c }')).toContain('<svg');
  });

  it('too large a text, or too many at once, is refused', async () => {
    expect(() => graphviz.svg(`digraph { ${'a;'.repeat(300_000)} }`)).toThrow(
      expect.objectContaining({ code: 'DataTooLarge' }),
    );
    const asked = Array.from({ length: 64 }, (_, i) => graphviz.svg(`digraph { n${i} }`));
    expect(() => graphviz.svg('digraph { last }')).toThrow(expect.objectContaining({ code: 'Overloaded' }));
    expect(await Promise.all(asked)).toHaveLength(64);
  });
});

/** How often the event loop turned while it worked: not a matter of how fast the machine is. */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ result: T; turns: number }> {
  let turns = 0;
  const turn = (): unknown => (turns++, (immediate = setImmediate(turn)));
  let immediate = setImmediate(turn);
  const result = await work();
  clearImmediate(immediate);
  return { result, turns };
}
