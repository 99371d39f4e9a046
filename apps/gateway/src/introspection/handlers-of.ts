import { Injectable } from '@nestjs/common';
import { monotonicMillis } from '@drover/kernel';
import { bindingOf, type BoundStep, type HandlerBinding, HandlerTable, type Phase } from '@drover/process-model';
import type { RegistrySnapshot } from '@drover/registry';
import { Log } from '../log.js';
import { Registry } from '../registry/registry.js';
import { BuiltinHandlers } from './builtin-handlers.js';

/** How long the engines' built-in handlers are believed; they change only with a deployment. */
const BUILTIN_MILLIS = 30_000;
const BUILTIN_AFTER_FAILURE_MILLIS = 2_000;

/** Which handlers a process has, built-in and external. */
@Injectable()
export class HandlersOf {
  private builtin: HandlerBinding[] = [];
  private believedUntil = -Infinity;
  private asking: Promise<void> | null = null;
  private table: { snapshot: RegistrySnapshot; builtin: HandlerBinding[]; handlers: HandlerTable } | null = null;

  constructor(
    private readonly registry: Registry,
    private readonly engines: BuiltinHandlers,
    private readonly log: Log,
  ) {}

  /** The turns of all handlers of any process, by its name. An engine that does not answer only hides its built-in ones. */
  async lookUp(): Promise<(processName: string) => BoundStep[]> {
    const snapshot = await this.registry.snapshot();
    if (monotonicMillis() > this.believedUntil) await (this.asking ??= this.ask());
    if (this.table?.snapshot !== snapshot || this.table.builtin !== this.builtin)
      this.table = {
        snapshot,
        builtin: this.builtin,
        handlers: new HandlerTable([...this.builtin, ...this.externalOf(snapshot)]),
      };
    const { handlers } = this.table;
    return (processName) => handlers.stepsOf(processName);
  }

  private externalOf(snapshot: RegistrySnapshot): HandlerBinding[] {
    return snapshot.handlers.flatMap((row) => {
      try {
        return [bindingOf(row)];
      } catch (error) {
        this.log.warn({ err: error, handler: row.name }, 'a registered handler cannot be read');
        return [];
      }
    });
  }

  private async ask(): Promise<void> {
    try {
      const handlers = await this.engines.list();
      this.builtin = handlers.map(({ processes, limits = null, ...settings }) => ({
        ...settings,
        kind: 'builtin',
        processes: processes.map(({ phase, glob }) => ({ phase: phase as Phase, glob, onError: null })),
        delivery: 'core',
        // An engine of an earlier version does not tell.
        limits,
      }));
      this.believedUntil = monotonicMillis() + BUILTIN_MILLIS;
    } catch (error) {
      this.log.debug({ err: error }, 'no engine told its built-in handlers');
      this.believedUntil = monotonicMillis() + BUILTIN_AFTER_FAILURE_MILLIS;
    } finally {
      this.asking = null;
    }
  }
}
