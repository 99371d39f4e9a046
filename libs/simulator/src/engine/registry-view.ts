import type { HandlerLimits, ProcessRow } from '@drover/contracts';
import { NO_LIMITS, type Surroundings } from '@drover/process-model';
import type { EngineLink, Registry } from './link.js';
import type { SlotKeeper } from './slot-keeper.js';

const READ_MILLIS = 3_000;
const POLL_MILLIS = 2_000;

/** What decisions go by (apps/process-engine/src/registry): one revision of types, handlers and pauses, and the home slot. */
export class RegistryView {
  private registry: Registry | null = null;
  private waiting: (() => void)[] | null = null;
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly link: EngineLink,
    private readonly slots: SlotKeeper,
  ) {
    this.poll();
  }

  /** Told after each reading. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Waits for the registry and the home slot. */
  whenReady(then: (registry: Registry, slot: number) => void): void {
    const { registry } = this;
    if (registry === null) return this.refresh(() => this.whenReady(then));
    const slot = this.slots.home();
    if (slot === null) this.slots.whenHome(() => this.whenReady(then));
    else then(registry, slot);
  }

  /** What a decision on a live process goes by. */
  aroundProcess(process: ProcessRow, then: (around: Surroundings) => void): void {
    this.whenReady((registry, slot) =>
      then(this.around(registry, slot, process.resourceType, process.definitionVersion)),
    );
  }

  /** What a decision on a start goes by. */
  aroundType(type: string, then: (around: Surroundings) => void): void {
    this.whenReady((registry, slot) => then(this.around(registry, slot, type, registry.types.get(type)!.version)));
  }

  /** What bounds a handler's attempts; null: nothing does, or nothing was read yet. */
  limitsOf(handler: string): { limits: HandlerLimits; registryRevision: number } | null {
    const limits = this.registry?.handlers.handlers.find(({ name }) => name === handler)?.limits ?? null;
    return limits === null ? null : { limits, registryRevision: this.registry!.revision };
  }

  /** Active handlers whose delivery is durable, each with its longest attempt, milliseconds. */
  durableHandlers(): Map<string, number> {
    const { registry } = this;
    const durable = new Map<string, number>();
    for (const { name, delivery, timeoutMillis } of registry?.handlers.handlers ?? [])
      if (delivery === 'durable') durable.set(name, timeoutMillis ?? 1_000);
    return durable;
  }

  refresh(then: () => void = () => undefined): void {
    if (this.waiting !== null) {
      // Begun before this was asked: it may not see what was committed meanwhile.
      this.waiting.push(() => this.refresh(then));
      return;
    }
    this.waiting = [];
    this.link.request<Registry>(
      READ_MILLIS,
      () => this.link.readRegistry(),
      (registry) => {
        const waiting = this.waiting!;
        this.waiting = null;
        if (registry === null) return this.refresh(() => [then, ...waiting].forEach((one) => one()));
        const changed = this.registry?.revision !== registry.revision;
        this.registry = registry;
        if (changed) for (const listener of this.listeners) listener();
        then();
        for (const one of waiting) one();
      },
    );
  }

  private around(registry: Registry, slot: number, type: string, version: number): Surroundings {
    const { revision: registryRevision, handlers, pauses } = registry;
    const now = this.link.databaseNow();
    return {
      type: this.link.typeAt(type, version),
      handlers,
      pauses,
      limits: NO_LIMITS,
      registryRevision,
      slot,
      now,
    };
  }

  private poll(): void {
    this.refresh();
    this.link.later(POLL_MILLIS, () => this.poll());
  }
}
