import { type HandlerBinding, HANDLER_NAME, parseProcessNames } from '@drover/process-model';
import type { ProcessHandler } from '@drover/handler-sdk';

/** Default priority of a handler that names none: specific. */
const SPECIFIC = 1_000;

/** The handlers that run inside this engine, and how they bind. All engines of a cluster must run the same ones. */
export class InProcessHandlers {
  readonly bindings: readonly HandlerBinding[];
  private readonly byName = new Map<string, ProcessHandler>();

  /** @throws Error when two have one name, or a name or process is unusable: the engine does not start with half its logic */
  constructor(handlers: readonly ProcessHandler[] = []) {
    for (const handler of handlers) {
      if (!HANDLER_NAME.test(handler.name)) throw new Error(`in-process handler has an unusable name: ${handler.name}`);
      if (this.byName.has(handler.name)) throw new Error(`two in-process handlers are named ${handler.name}`);
      this.byName.set(handler.name, handler);
    }
    this.bindings = handlers.map((handler) => ({
      name: handler.name,
      kind: 'builtin',
      priority: handler.priority ?? SPECIFIC,
      processes: parseProcessNames(handler.processes).map((process) => ({ ...process, onError: null })),
      retries: handler.retries ?? null,
      timeoutMillis: handler.timeoutMillis ?? null,
      delivery: 'core',
    }));
  }

  get(name: string): ProcessHandler | undefined {
    return this.byName.get(name);
  }

  /**
   * Loads modules that export `handlers: ProcessHandler[]`.
   * @param modules file paths or package names
   */
  static async load(modules: readonly string[]): Promise<InProcessHandlers> {
    const handlers: ProcessHandler[] = [];
    for (const name of modules) {
      const loaded = (await import(name)) as { handlers?: ProcessHandler[] };
      if (!Array.isArray(loaded.handlers)) throw new Error(`${name} exports no "handlers" array`);
      handlers.push(...loaded.handlers);
    }
    return new InProcessHandlers(handlers);
  }
}
