import type { Replica } from '../background/replica.js';
import type { World } from './world.js';

/** What goes wrong between two events, as the world's faults say. */
export class Troubles {
  constructor(
    private readonly world: World,
    private readonly replicas: readonly Replica[],
  ) {}

  /** Draws what goes wrong now. */
  draw(): void {
    const { world } = this;
    const { random, faults } = world;
    if (world.calm) return;
    if (random.chance(faults.crash)) world.anyEngine()?.die();
    if (random.chance(faults.pause)) world.anyEngine()?.pause(random.int(100, 12_000));
    if (random.chance(faults.crash / 2)) random.pick(this.replicas).crash();
    if (random.chance(faults.pause / 2)) random.pick(this.replicas).pause(random.int(100, 12_000));
    if (random.chance(faults.restart)) this.restartBroker(random.chance(faults.wipe));
    if (random.chance(faults.absence)) this.absence();
    if (random.chance(faults.registry)) world.changeRegistry();
    if (random.chance(faults.pausing)) world.pausing.act();
  }

  brokerIsBack(): void {
    const { world } = this;
    if (!world.brokerDown) return;
    world.brokerDown = false;
    world.broughtBack();
  }

  private restartBroker(wiped: boolean): void {
    const { world } = this;
    if (world.brokerDown) return;
    world.note(() => `the broker goes down${wiped ? ' and loses its disk' : ''}`);
    world.brokerDown = true;
    world.brokerFalls++;
    if (wiped) world.wipeBroker();
    else world.broker.restarted();
    world.at(world.random.int(100, 3_000), () => this.brokerIsBack());
  }

  private absence(): void {
    const { world } = this;
    const handler = world.random.pick([...world.outside.values()]);
    if (!handler.present) return;
    handler.leave();
    world.note(() => `${handler.name} leaves`);
    world.at(world.random.int(500, 15_000), () => handler.comeBack());
  }
}
