import { afterAll, beforeAll, describe, it } from 'vitest';
import type { Area } from './scenario.js';
import { Suite } from './suite.js';
import { World } from './world.js';

/** Makes a test of each scenario. All of them share one stack, whose invariants hold at the end. */
export function run(areas: readonly Area[], { concurrent }: { concurrent: boolean }): void {
  let suite: Suite;
  beforeAll(async () => void (suite = await Suite.start()));
  afterAll(async () => {
    await suite?.cluster.client.checkInvariants();
    await suite?.[Symbol.asyncDispose]();
  });

  for (const { title, scenarios } of areas)
    (concurrent ? describe.concurrent : describe)(title, () => {
      for (const { name, given, when, then, kind, run } of scenarios)
        it(`${name}\n        given ${given}\n        when ${when}\n        then ${then}`, async () => {
          const world = new World(suite, kind);
          try {
            await run(world);
          } finally {
            await world.close();
          }
        });
    });
}
