import type { HandlerReply } from '@drover/process-model';
import type { Address } from '../engine/link.js';
import type { World } from '../world/world.js';
import { type Behaviour, behave, type HandlerEvent } from './handlers.js';

/** Durable events that one handler works on at once. */
const MAX_IN_HAND = 2;
/** A kit repeats its reply to a durable event until the broker has it. */
const REPEAT_MILLIS = 500;

/** A program that serves the events of one handler; it may be away. */
export class ExternalHandler {
  private inHand = 0;
  private here = true;

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {}

  get present(): boolean {
    return this.here;
  }

  leave(): void {
    this.here = false;
  }

  comeBack(): void {
    this.here = true;
    this.pull();
  }

  /** Does it ask for durable events now? */
  get asks(): boolean {
    return this.here && this.inHand < MAX_IN_HAND;
  }

  /** An event reaches the handler: what it answers is drawn now, and sent when it is time. */
  take(event: HandlerEvent): void {
    if (this.here) this.begin(event, false);
  }

  /** A durable event may be there. */
  pull(): void {
    if (!this.asks || this.world.brokerDown) return;
    this.world.at(2, () => {
      if (!this.asks || this.world.brokerDown) return;
      const { work } = this.world;
      const pulled = work.pull(this.name);
      if (pulled === null) return;
      const { sequence, stream, event } = pulled;
      this.inHand++;
      const behaviour = this.begin(event, true);
      const last = Math.max(0, ...behaviour.map(({ afterMillis }) => afterMillis));
      // Who gives no answer has died with the event: it is delivered again. Some answer, and forget to acknowledge.
      const forgets = behaviour.length === 0 || this.world.random.chance(this.world.faults.trouble / 8);
      this.world.at(last + 3, () => {
        this.inHand--;
        if (!forgets && !this.world.brokerDown) work.acknowledge(this.name, sequence, stream);
        this.pull();
      });
      this.pull();
    });
  }

  /** @param repeats whether an answer that the broker does not get is given again */
  private begin(event: HandlerEvent, repeats: boolean): Behaviour {
    const { world } = this;
    const { address } = event;
    world.checks.took(address);
    const behaviour = behave(world.random, event, world.troubleOf(this.name), world.heartbeatOf(this.name));
    for (const { afterMillis, reply, forged } of behaviour)
      world.at(afterMillis, () => this.answer(address, reply, forged === true, repeats));
    return behaviour;
  }

  private answer(address: Address, reply: HandlerReply, forged: boolean, repeats: boolean): void {
    const { world } = this;
    world.note(
      () => `${this.name} answers ${address.process}.${address.dispatch}: ${forged ? 'forged ' : ''}${reply.kind}`,
    );
    if (!forged) world.checks.gave(address, reply);
    this.send(forged ? { ...address, token: '0'.repeat(24) } : address, reply, repeats);
  }

  private send(to: Address, reply: HandlerReply, repeats: boolean): void {
    const { world } = this;
    const lost = (): void => {
      // A plain reply that the broker does not get is lost: the deadline covers it.
      if (repeats) world.at(REPEAT_MILLIS, () => this.send(to, reply, true));
    };
    const there = world.travel();
    if (there === null) return lost();
    world.at(there, () => {
      if (world.brokerDown) return lost();
      world.broker.append(to, reply);
      if (world.random.chance(world.faults.twice)) world.broker.append(to, reply);
    });
  }
}
