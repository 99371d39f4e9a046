import type { Address } from '../engine/link.js';
import type { World } from '../world/world.js';
import { behave } from './handlers.js';

/** A program that subscribes to the events of one handler; it may be away. */
export class ExternalHandler {
  present = true;

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {}

  /** An event reaches the handler: what it answers is drawn now, and sent when it is time. */
  take(address: Address, processName: string, timeoutMillis: number): void {
    if (!this.present) return;
    const { world } = this;
    world.checks.took(address);
    const event = { process: address.process, dispatch: address.dispatch, timeoutMillis, processName };
    for (const { afterMillis, reply, forged } of behave(world.random, event, world.faults.trouble)) {
      const to = forged === true ? { ...address, token: '0'.repeat(24) } : address;
      world.at(afterMillis, () => {
        world.note(
          () => `${this.name} answers ${address.process}.${address.dispatch}: ${forged ? 'forged ' : ''}${reply.kind}`,
        );
        if (forged !== true) world.checks.gave(address, reply);
        const there = world.travel();
        // A plain reply that the broker does not get is lost: the deadline covers it.
        if (there === null) return;
        world.at(there, () => {
          if (world.brokerDown) return;
          world.broker.append(to, reply);
          if (world.random.chance(world.faults.twice)) world.broker.append(to, reply);
        });
      });
    }
  }
}
