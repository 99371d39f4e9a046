import { describe, expect, it } from 'vitest';
import { Batcher, type BatcherOptions } from './batcher.js';

/** A batcher whose batches stay in flight until they are answered by hand; answers are the items, doubled. */
function held(options: Partial<BatcherOptions<number, number>> = {}) {
  const batches: { items: number[]; answer: () => void; fail: (error: Error) => void }[] = [];
  const batcher = new Batcher<number, number>({
    flush: (items) =>
      new Promise((resolve, reject) =>
        batches.push({ items, answer: () => resolve(items.map((item) => item * 2)), fail: reject }),
      ),
    ...options,
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return { batcher, batches, turn };
}

const sizes = (batches: { items: number[] }[]): number[][] => batches.map((batch) => batch.items);

describe('Batcher', () => {
  it('what arrives in one turn goes out together, without a timer; each caller gets its own answer', async () => {
    const { batcher, batches, turn } = held();
    const answers = Promise.all([1, 2, 3].map((item) => batcher.add(item)));
    await turn();
    expect(sizes(batches)).toEqual([[1, 2, 3]]);
    batches[0]!.answer();
    expect(await answers).toEqual([2, 4, 6]);
  });

  it('gathers while a batch is in flight', async () => {
    const { batcher, batches, turn } = held();
    const answers = [batcher.add(1)];
    await turn();
    answers.push(batcher.add(2));
    await turn();
    answers.push(batcher.add(3));
    await turn();
    expect(sizes(batches)).toEqual([[1]]);
    expect(batcher.outstanding).toBe(3);
    batches[0]!.answer();
    await turn();
    expect(sizes(batches)).toEqual([[1], [2, 3]]);
    batches[1]!.answer();
    expect(await Promise.all(answers)).toEqual([2, 4, 6]);
    await turn();
    expect(batcher.outstanding).toBe(0);
  });

  it('has as many batches in flight as lanes', async () => {
    const { batcher, batches, turn } = held({ lanes: 2, maxItems: () => 1 });
    void Promise.all([1, 2, 3].map((item) => batcher.add(item)));
    await turn();
    await turn();
    expect(sizes(batches)).toEqual([[1], [2]]);
    batches[1]!.answer();
    await turn();
    expect(sizes(batches)).toEqual([[1], [2], [3]]);
  });

  it('has one batch more in flight beside small ones', async () => {
    const { batcher, batches, turn } = held({ overlap: 2, maxItems: () => 3 });
    void Promise.all([1, 2].map((item) => batcher.add(item)));
    await turn();
    void Promise.all([3, 4, 5].map((item) => batcher.add(item)));
    await turn();
    void batcher.add(6);
    await turn();
    expect(sizes(batches)).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    // Three are in flight: more than are small.
    batches[0]!.answer();
    await turn();
    expect(sizes(batches)).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    batches[1]!.answer();
    await turn();
    expect(sizes(batches)).toEqual([[1, 2], [3, 4, 5], [6]]);
  });

  it('caps items: 256 unless told, asked for each batch', async () => {
    const plain = held();
    void Promise.all(Array.from({ length: 300 }, (_, i) => plain.batcher.add(i)));
    await plain.turn();
    expect(plain.batches[0]!.items).toHaveLength(256);

    let cap = 1;
    const { batcher, batches, turn } = held({ maxItems: () => cap++ });
    void Promise.all([1, 2, 3, 4].map((item) => batcher.add(item)));
    for (let i = 0; i < 2; i++) {
      await turn();
      batches[i]!.answer();
    }
    await turn();
    expect(sizes(batches)).toEqual([[1], [2, 3], [4]]);
  });

  it('caps bytes; an item over the cap goes alone', async () => {
    const { batcher, batches, turn } = held({ maxBytes: 10, bytesOf: (item) => item });
    void Promise.all([4, 6, 1, 99, 1].map((item) => batcher.add(item)));
    for (let i = 0; i < 4; i++) {
      await turn();
      batches[i]!.answer();
    }
    await turn();
    expect(sizes(batches)).toEqual([[4, 6], [1], [99], [1]]);
  });

  it('items of one key never share a batch, and keep their order', async () => {
    const { batcher, batches, turn } = held({ keyOf: (item) => Math.floor(item / 10) });
    const answers = Promise.all([11, 12, 21, 13, 22, 31].map((item) => batcher.add(item)));
    for (let i = 0; i < 3; i++) {
      await turn();
      batches[i]!.answer();
    }
    expect(sizes(batches)).toEqual([[11, 21, 31], [12, 22], [13]]);
    expect(await answers).toEqual([22, 24, 42, 26, 44, 62]);
  });

  it('items without a key share freely', async () => {
    const { batcher, batches, turn } = held({ keyOf: () => undefined });
    void Promise.all([1, 1, 1].map((item) => batcher.add(item)));
    await turn();
    expect(sizes(batches)).toEqual([[1, 1, 1]]);
  });

  it('a rejection rejects the items of that batch, and the next goes out', async () => {
    const { batcher, batches, turn } = held({ maxItems: () => 2 });
    const answers = Promise.allSettled([1, 2, 3].map((item) => batcher.add(item)));
    await turn();
    batches[0]!.fail(new Error('gone'));
    await turn();
    batches[1]!.answer();
    expect((await answers).map((one) => one.status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  });

  it('a flush that throws, or answers too few, rejects its items instead of leaving them', async () => {
    const throws = new Batcher<number, number>({
      flush: () => {
        throw new Error('at once');
      },
    });
    await expect(throws.add(1)).rejects.toThrow('at once');
    await expect(throws.add(2)).rejects.toThrow('at once');
    const short = new Batcher<number, number>({ flush: (items) => Promise.resolve(items.slice(1)) });
    await expect(Promise.all([short.add(1), short.add(2)])).rejects.toThrow('a batch of 2 items was answered with 1');
  });
});
