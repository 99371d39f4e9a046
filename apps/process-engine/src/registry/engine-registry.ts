import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { HandlerLimits, ProcessRow } from '@drover/contracts';
import { MessageBus } from '@drover/messaging';
import {
  bindingOf,
  HandlerTable,
  isScope,
  Limits,
  NO_LIMITS,
  NO_PAUSES,
  NO_WATCHED_REFERENCES,
  Pauses,
  type Surroundings,
  timeoutOf,
  type TypeDefinition,
  WatchedReferences,
} from '@drover/process-model';
import { RegistryMirror, type RegistrySnapshot } from '@drover/registry';
import { InProcessHandlers } from '../in-process/in-process-handlers.js';
import { DatabaseClock } from '../lifecycle/database-clock.js';
import { Log } from '../log.js';
import { ReplySlots } from '../replies/reply-slots.js';

/** What decisions go by: types, and all handlers, built-in and external, of one registry revision. */
@Injectable()
export class EngineRegistry implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly mirror: RegistryMirror;
  private handlers = new HandlerTable([]);
  private pauses = NO_PAUSES;
  private watched = NO_WATCHED_REFERENCES;
  private limits = NO_LIMITS;
  private readonly listeners: (() => void)[] = [];
  private readonly shadowed = new Set<string>();

  constructor(
    bus: MessageBus,
    log: Log,
    private readonly inProcess: InProcessHandlers,
    private readonly slots: ReplySlots,
    private readonly clock: DatabaseClock,
  ) {
    this.mirror = new RegistryMirror(bus, {
      changed: (snapshot) => {
        this.handlers = this.bind(snapshot, log);
        this.pauses = new Pauses(snapshot.pauses);
        this.watched = new WatchedReferences(snapshot.types.all());
        this.limits = new Limits(snapshot.limits, snapshot.types);
        for (const listener of this.listeners) listener();
        log.debug({ revision: snapshot.revision, types: snapshot.definitions.size }, 'registry loaded');
      },
      unreachable: (err) => log.warn({ err }, 'the definitions cannot be read; trying again'),
    });
  }

  onApplicationBootstrap(): void {
    this.mirror.start();
  }

  onApplicationShutdown(): void {
    this.mirror.stop();
  }

  /** Told after each change of definitions or handlers. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Active handlers whose delivery is durable, each with the longest attempt it may make, milliseconds. */
  durableHandlers(): Map<string, number> {
    const durable = new Map<string, number>();
    for (const { kind, name, delivery, timeoutMillis } of this.handlers.handlers)
      if (kind === 'external' && delivery === 'durable') durable.set(name, timeoutMillis ?? 1_000);
    if (durable.size === 0) return durable;
    for (const type of this.mirror.snapshot.types.all())
      for (const process of Object.values(type.processes))
        for (const { handler } of this.handlers.stepsOf(process.name)) {
          const known = durable.get(handler.name);
          if (known !== undefined) durable.set(handler.name, Math.max(known, timeoutOf(process, handler)));
        }
    return durable;
  }

  /**
   * The surroundings of a start, on the present version of a type. When another version came since `type` was looked up, they name no
   * revision: the store answers staleRegistry, and all is decided again.
   */
  async around(type: TypeDefinition): Promise<Surroundings> {
    const around = await this.surroundings(type);
    const present = this.mirror.snapshot.types.byName(type.name)?.version === type.version;
    return present ? around : { ...around, registryRevision: 0 };
  }

  /** The surroundings of a decision on a live process: the version it began on. */
  async aroundProcess(process: ProcessRow): Promise<Surroundings> {
    await this.mirror.loaded();
    return this.surroundings(await this.mirror.typeAt(process.resourceType, process.definitionVersion));
  }

  /** What bounds a handler's attempts, or the processes of a limit's scope, as of the present revision; null: nothing does. */
  limitsOf(gate: string): { limits: HandlerLimits; registryRevision: number } | null {
    const limits = isScope(gate)
      ? concurrency(this.limits.maximumOf(gate))
      : (this.handlers.handlers.find(({ name }) => name === gate)?.limits ?? null);
    return limits === null ? null : { limits, registryRevision: this.mirror.snapshot.revision };
  }

  /** What an account gets in its turn. */
  weightOf(account: number | null): number {
    return this.limits.weightOf(account);
  }

  private async surroundings(type: TypeDefinition): Promise<Surroundings> {
    const slot = await this.slots.home();
    return {
      type,
      handlers: this.handlers,
      pauses: this.pauses,
      limits: this.limits,
      registryRevision: this.mirror.snapshot.revision,
      slot,
      now: this.clock.now(),
      watched: this.watched,
    };
  }

  private bind(snapshot: RegistrySnapshot, log: Log): HandlerTable {
    const external = snapshot.handlers.flatMap((row) => {
      if (this.inProcess.get(row.name) !== undefined) {
        if (!this.shadowed.has(row.name))
          log.error(
            { handler: row.name },
            'an external handler has the name of an in-process one and is not asked: the in-process one is; rename one of them',
          );
        this.shadowed.add(row.name);
        return [];
      }
      try {
        return [bindingOf(row)];
      } catch (err) {
        log.error({ err, handler: row.name }, 'a registered handler has an unusable process name and is left out');
        return [];
      }
    });
    return new HandlerTable([...this.inProcess.bindings, ...external]);
  }
}

function concurrency(maxInFlight: number | null): HandlerLimits | null {
  return maxInFlight === null ? null : { maxInFlight, circuitBreaker: null };
}
