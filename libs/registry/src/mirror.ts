import {
  type DefinitionRow,
  type HandlerRow,
  type LimitRow,
  type PauseRow,
  readDefinition,
  readRegistry,
  SUBJECTS,
} from '@drover/contracts';
import { sleep } from '@drover/kernel';
import type { MessageBus } from '@drover/messaging';
import { compileType, type ResourceTypeDocument, type TypeDefinition, TypeRegistry } from '@drover/process-model';

/** The hint may be lost, so the store is also asked this often. A decision by an older view is refused at its commit. */
const POLL_MILLIS = 5_000;
/** Older versions of definitions kept compiled, for processes that began on them. */
const MAX_OLD_VERSIONS = 1_000;

/** One view of all definitions and handlers. Never changes: a decision keeps one from start to end. */
export interface RegistrySnapshot {
  /** registry revision; 0: never loaded */
  revision: number;
  definitions: ReadonlyMap<string, DefinitionRow>;
  types: TypeRegistry;
  /** active external handlers */
  handlers: readonly HandlerRow[];
  /** pauses that are set */
  pauses: readonly PauseRow[];
  /** limits that are set */
  limits: readonly LimitRow[];
}

const EMPTY: RegistrySnapshot = {
  revision: 0,
  definitions: new Map(),
  types: new TypeRegistry(),
  handlers: [],
  pauses: [],
  limits: [],
};

/** Compiles a stored document. */
export function compileRow(row: DefinitionRow): TypeDefinition {
  return compileType(row.document as unknown as ResourceTypeDocument, { version: row.version, system: row.system });
}

/** A service's copy of the definitions and handlers that the store holds: follows hints, and polls in case one was lost. */
export class RegistryMirror {
  private current = EMPTY;
  private loading: Promise<RegistrySnapshot> | null = null;
  private queued: Promise<RegistrySnapshot> | null = null;
  private readonly old = new Map<string, Promise<TypeDefinition>>();
  private readonly stopped = new AbortController();

  constructor(
    private readonly bus: MessageBus,
    private readonly events: {
      changed?: (snapshot: RegistrySnapshot) => void;
      /** the store does not answer; called once per outage */
      unreachable?: (error: unknown) => void;
    } = {},
  ) {}

  /** Follows the store until {@link stop}. */
  start(): void {
    const hints = this.bus.connection.subscribe(SUBJECTS.hint.registry, {
      callback: () => void this.refresh().catch(() => undefined),
    });
    this.stopped.signal.addEventListener('abort', () => hints.unsubscribe());
    void this.poll();
  }

  stop(): void {
    this.stopped.abort();
  }

  /** The present view; `revision` is 0 before the first load. */
  get snapshot(): RegistrySnapshot {
    return this.current;
  }

  /** The present view, loaded when it never was. @throws DroverError Unavailable */
  async loaded(): Promise<RegistrySnapshot> {
    return this.current.revision > 0 ? this.current : this.refresh();
  }

  /** Reads what changed; sees all that was committed before the call. @throws DroverError Unavailable */
  refresh(): Promise<RegistrySnapshot> {
    if (this.loading === null) return this.load();
    this.queued ??= this.loading.then(
      () => this.load(),
      () => this.load(),
    );
    return this.queued;
  }

  /** Looks something up, once more after a refresh where it is missing: it may have been declared a moment ago. @throws DroverError Unavailable */
  async find<T>(lookUp: (snapshot: RegistrySnapshot) => T | undefined): Promise<T | undefined> {
    return lookUp(await this.loaded()) ?? lookUp(await this.refresh());
  }

  /** A type as of one version: processes keep the version they began on. @throws DroverError NotFound, Unavailable */
  async typeAt(name: string, version: number): Promise<TypeDefinition> {
    const present = this.current.types.byName(name);
    if (present?.version === version) return present;
    const key = `${name}/${version}`;
    let found = this.old.get(key);
    if (found === undefined) {
      found = this.bus.request(readDefinition, { name, version }).then((answer) => compileRow(answer.definition));
      found.catch(() => this.old.delete(key));
      if (this.old.size >= MAX_OLD_VERSIONS) this.old.delete(this.old.keys().next().value!);
      this.old.set(key, found);
    }
    return found;
  }

  private load(): Promise<RegistrySnapshot> {
    this.queued = null;
    this.loading = this.read().finally(() => {
      // Who is queued reads next, and alone: of two readings at once the older one could come last.
      if (this.queued === null) this.loading = null;
    });
    return this.loading;
  }

  private async read(): Promise<RegistrySnapshot> {
    const since = this.current.revision;
    const definitions = new Map(this.current.definitions);
    let handlers: readonly HandlerRow[] = [];
    let pauses: readonly PauseRow[] = [];
    let limits: readonly LimitRow[] = [];
    let types = this.current.types;
    let revision = since;
    const changed: DefinitionRow[] = [];
    for (let afterName: string | null = null, more = true; more;) {
      const page: Awaited<ReturnType<typeof this.page>> = await this.page(since, afterName);
      if (afterName === null) revision = page.revision;
      if (page.handlers !== null) handlers = page.handlers;
      if (page.pauses !== null) pauses = page.pauses;
      if (page.limits != null) limits = page.limits;
      changed.push(...page.definitions);
      afterName = page.definitions.at(-1)?.name ?? null;
      more = page.more && afterName !== null;
    }
    if (revision < since) {
      // The database went back in time (a restored backup): nothing of the old view holds.
      this.current = EMPTY;
      return this.read();
    }
    for (const row of changed) {
      if (row.deleted) definitions.delete(row.name);
      else definitions.set(row.name, row);
    }
    if (changed.length > 0) {
      const replaced = new Set(changed.map((row) => row.name));
      const kept = types.all().filter((type) => !replaced.has(type.name));
      types = new TypeRegistry([...kept, ...changed.filter((row) => !row.deleted).map(compileRow)]);
    }
    if (revision !== since || this.current.revision === 0) {
      this.current = { revision, definitions, types, handlers, pauses, limits };
      this.events.changed?.(this.current);
    }
    return this.current;
  }

  private page(sinceRevision: number, afterName: string | null) {
    return this.bus.request(readRegistry, { sinceRevision, afterName });
  }

  private async poll(): Promise<void> {
    let answering = true;
    while (!this.stopped.signal.aborted) {
      try {
        await this.refresh();
        answering = true;
      } catch (error) {
        if (answering) this.events.unreachable?.(error);
        answering = false;
      }
      await sleep(this.current.revision === 0 ? 100 : POLL_MILLIS, this.stopped.signal);
    }
  }
}
