import { type HandlerBinding, HandlerTable, Pauses, type TypeDefinition } from '@drover/process-model';
import type { Registry } from '../engine/link.js';
import type { Random } from '../random.js';
import type { StoreModel } from '../store/store-model.js';
import { EXTERNAL, IN_PROCESS } from './scenario.js';

/** Definitions, handlers and pauses as the store has them, and how they change. */
export class RegistryHistory {
  /** as of now */
  present: Registry;
  private readonly versions = new Map<string, TypeDefinition[]>();
  private active: HandlerBinding[];
  /** of those that are active: which steps a process has is worked out once for each of them */
  private table: HandlerTable;

  constructor(
    private readonly random: Random,
    private readonly types: readonly TypeDefinition[],
    private readonly store: StoreModel,
  ) {
    for (const type of types) this.versions.set(type.name, [type]);
    this.active = EXTERNAL.filter(() => random.chance(0.75));
    this.table = this.bound();
    this.present = this.snapshot();
  }

  /** @param version 0: any, where all versions have the same states */
  typeAt(name: string, version: number): TypeDefinition {
    const versions = this.versions.get(name);
    if (versions === undefined) throw new Error(`there is no type ${name}: give the simulation its document too`);
    return versions[Math.max(0, version - 1)]!;
  }

  /** An active handler as it is registered now. */
  handler(name: string): HandlerBinding | undefined {
    return this.active.find((one) => one.name === name);
  }

  /** A handler is registered, deactivated or bounded otherwise, or a definition gets another version. */
  change(): void {
    const { random } = this;
    if (random.chance(0.3)) {
      const type = random.pick(this.types);
      const versions = this.versions.get(type.name)!;
      versions.push({ ...type, version: versions.length + 1 });
    } else {
      const one = random.pick(EXTERNAL);
      const others = this.active.filter(({ name }) => name !== one.name);
      const active = others.length < this.active.length;
      if (!active) this.active = [...others, one];
      else this.active = random.chance(0.5) ? [...others, this.otherwiseBounded(one)] : others;
      this.table = this.bound();
    }
    this.store.changeRegistry();
    this.changed();
  }

  /** The store's registry has another revision. */
  changed(): void {
    this.present = this.snapshot();
  }

  /** A limit is another one; whether there is one stays, since attempts from before would not be counted. */
  private otherwiseBounded(handler: HandlerBinding): HandlerBinding {
    const { limits } = handler;
    if (limits === null || limits.maxInFlight === null) return handler;
    return { ...handler, limits: { ...limits, maxInFlight: this.random.int(1, 3) } };
  }

  private snapshot(): Registry {
    const types = new Map([...this.versions].map(([name, versions]) => [name, versions.at(-1)!]));
    return {
      revision: this.store.registryRevision,
      handlers: this.table,
      pauses: new Pauses([...this.store.pauses.values()]),
      types,
    };
  }

  private bound(): HandlerTable {
    return new HandlerTable([...IN_PROCESS, ...this.active]);
  }
}
