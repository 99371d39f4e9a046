import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { ProcessRow } from '@drover/contracts';
import { MessageBus } from '@drover/messaging';
import { bindingOf, HandlerTable, type Surroundings, type TypeDefinition } from '@drover/process-model';
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

  private async surroundings(type: TypeDefinition): Promise<Surroundings> {
    const slot = await this.slots.home();
    return {
      type,
      handlers: this.handlers,
      registryRevision: this.mirror.snapshot.revision,
      slot,
      now: this.clock.now(),
    };
  }

  private bind(snapshot: RegistrySnapshot, log: Log): HandlerTable {
    const external = snapshot.handlers.flatMap((row) => {
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
