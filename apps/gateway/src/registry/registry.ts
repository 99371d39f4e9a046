import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { DefinitionRow } from '@drover/contracts';
import { DroverError, monotonicMillis, sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { TypeDefinition } from '@drover/process-model';
import { RegistryMirror, type RegistrySnapshot } from '@drover/registry';
import { unanswered } from '../backend/backend.js';
import { deadline } from '../backend/deadline.js';
import { Log } from '../log.js';

/** A name nobody knows asks the store at most this often; whoever asks in between waits for the next turn. */
const MISS_INTERVAL_MILLIS = 250;

/** This gateway's copy of the definitions and handlers, and how requests look things up in it. */
@Injectable()
export class Registry implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly mirror: RegistryMirror;
  private turn: Promise<RegistrySnapshot> | null = null;
  private lastTurn = -Infinity;

  constructor(bus: MessageBus, log: Log) {
    this.mirror = new RegistryMirror(bus, {
      unreachable: (error) => log.warn({ err: error }, 'the definitions cannot be read; trying again'),
    });
  }

  onApplicationBootstrap(): void {
    this.mirror.start();
  }

  onApplicationShutdown(): void {
    this.mirror.stop();
  }

  /** Has this gateway ever read the definitions? */
  get isLoaded(): boolean {
    return this.mirror.snapshot.revision > 0;
  }

  /** The present view. A request that looks twice keeps the first one. @throws DroverError Unavailable before the first load */
  async snapshot(): Promise<RegistrySnapshot> {
    return this.isLoaded ? this.mirror.snapshot : this.refresh();
  }

  /** Sees all that was committed before the call. @throws DroverError Unavailable */
  refresh(): Promise<RegistrySnapshot> {
    return withinDeadline(this.mirror.refresh());
  }

  /** A type by the plural or singular of a path. @throws DroverError TypeUnknown, Unavailable */
  async typeOfPath(plural: string): Promise<TypeDefinition> {
    const type = await this.find(({ types }) => types.byPlural(plural));
    if (type === undefined) throw new DroverError('TypeUnknown', `There is no resource type "${plural.slice(0, 100)}"`);
    return type;
  }

  /** A type as of one version, or null when it cannot be read: processes keep the version they began on. */
  async typeAt(name: string, version: number): Promise<TypeDefinition | null> {
    return withinDeadline(this.mirror.typeAt(name, version)).catch(() => null);
  }

  /** A definition by its name, any letter case. @throws DroverError NotFound, Unavailable */
  async definitionNamed(name: string): Promise<DefinitionRow> {
    const wanted = name.toLowerCase();
    const row = await this.find(
      ({ definitions }) =>
        definitions.get(name) ?? [...definitions.values()].find((known) => known.name.toLowerCase() === wanted),
    );
    if (row === undefined) throw new DroverError('NotFound', `There is no definition "${name.slice(0, 100)}"`);
    return row;
  }

  /** Looks something up, once more after a refresh when it is missing: it may have been declared a moment ago elsewhere. */
  async find<T>(lookUp: (snapshot: RegistrySnapshot) => T | undefined): Promise<T | undefined> {
    const found = lookUp(this.isLoaded ? this.mirror.snapshot : await this.refresh());
    return found ?? lookUp(await this.nextTurn());
  }

  /** Judges a request by the definitions, once more by newer ones before it is refused: what it names may be a moment old. */
  async judge<T>(check: (snapshot: RegistrySnapshot) => T): Promise<T> {
    const present = await this.snapshot();
    try {
      return check(present);
    } catch (error) {
      const newer = await this.nextTurn();
      if (newer === present) throw error;
      return check(newer);
    }
  }

  /** One refresh for all who miss something within the interval: garbage cannot hammer the store. */
  private nextTurn(): Promise<RegistrySnapshot> {
    this.turn ??= this.refreshInTurn();
    return this.turn;
  }

  private async refreshInTurn(): Promise<RegistrySnapshot> {
    await sleep(Math.max(0, this.lastTurn + MISS_INTERVAL_MILLIS - monotonicMillis()));
    this.lastTurn = monotonicMillis();
    this.turn = null;
    return this.refresh();
  }
}

/** The mirror waits longer than a request may. */
async function withinDeadline<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(unanswered()), Math.max(0, deadline() - monotonicMillis()));
  });
  try {
    return await Promise.race([promise, late]);
  } catch (error) {
    throw error instanceof DroverError && error.code === 'Unavailable' ? unanswered(error) : error;
  } finally {
    clearTimeout(timer);
  }
}
