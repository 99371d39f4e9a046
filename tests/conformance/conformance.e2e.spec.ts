import { afterAll, beforeAll, describe, it } from 'vitest';
import { AREAS } from './areas/index.js';
import { Suite } from './suite.js';
import { World } from './world.js';

/** All scenarios share one stack and run beside each other: each has types and handlers of its own. */
describe('conformance', () => {
  let suite: Suite;
  beforeAll(async () => void (suite = await Suite.start()));
  afterAll(async () => {
    await suite?.cluster.client.checkInvariants();
    await suite?.[Symbol.asyncDispose]();
  });

  for (const { title, scenarios } of AREAS)
    describe.concurrent(title, () => {
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
});
