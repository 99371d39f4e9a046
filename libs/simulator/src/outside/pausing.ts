import type { World } from '../world/world.js';
import { EXTERNAL } from '../world/scenario.js';

/** Operators who pause things, and lift the pause some seconds later. */
export class Pausing {
  constructor(private readonly world: World) {}

  /** Pauses something; what is paused is drawn. */
  act(): void {
    const { world } = this;
    const { random } = world;
    const scope = this.scope();
    if (scope === null) return;
    const millis = random.int(300, 9_000);
    this.ask(() => {
      world.store.gates.setPause(scope);
      world.pausesChanged(`${scope} is paused`);
      world.at(millis, () => this.lift(scope));
    });
  }

  liftAll(): void {
    for (const scope of [...this.world.store.pauses.keys()]) this.lift(scope);
  }

  /** Again and again until the store has heard it. */
  private lift(scope: string): void {
    const { world } = this;
    if (!world.store.pauses.has(scope)) return;
    this.ask(() => {
      if (!world.store.pauses.has(scope)) return;
      const woken = world.store.gates.liftPause(scope);
      world.pausesChanged(`${scope} goes on`);
      if (woken > 0) world.hintDue();
    });
    world.at(1_000, () => this.lift(scope));
  }

  private ask(change: () => void): void {
    const there = this.world.travel();
    if (there !== null) this.world.at(there, change);
  }

  private scope(): string | null {
    const { random, store, types } = this.world;
    const resources = [...store.resources.keys()];
    switch (random.int(0, 5)) {
      case 0:
        return 'cluster';
      case 1:
        return `type/${random.pick(types).name}`;
      case 2:
      case 3:
        return resources.length === 0 ? null : `resource/${random.pick(resources)}`;
      default:
        return `handler/${random.pick(EXTERNAL).name}`;
    }
  }
}
