import { Injectable } from '@nestjs/common';
import { readWhy, SUBJECTS, type WhyProcess } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { type BoundStep, Limits, ownProcess } from '@drover/process-model';
import { Backend } from '../backend/backend.js';
import { HandlersOf } from '../introspection/handlers-of.js';
import { Registry } from '../registry/registry.js';
import { missing, ResourcePaths } from '../resources/resource-path.js';
import { DurableHandlers } from './durable-handlers.js';
import { Listeners } from './listeners.js';
import { whyJson } from './why.js';
import { type Around, stepOf } from './work.js';

/** `GET /v1/<plural>/<id>/why`: everything in one answer. */
@Injectable()
export class Why {
  constructor(
    private readonly paths: ResourcePaths,
    private readonly registry: Registry,
    private readonly backend: Backend,
    private readonly handlers: HandlersOf,
    private readonly listeners: Listeners,
    private readonly durableHandlers: DurableHandlers,
  ) {}

  /** @throws DroverError TypeUnknown, NotFound */
  async read(plural: string, id: string, base: string): Promise<JsonObject> {
    const ref = await this.paths.refOf(plural, id);
    const { why } = await this.backend.call(readWhy, { resourceId: ref.number });
    if (why === null || why.resource.type !== ref.type.name) throw missing(ref);
    const stepsOf = await this.handlers.lookUp();
    const snapshot = await this.registry.snapshot();
    const limits = new Limits(snapshot.limits, snapshot.types);
    const around = await Promise.all(
      why.processes.map((process) => this.around(process, stepsOf(process.name), limits)),
    );
    return whyJson(why, { type: ref.type, snapshot, base, around });
  }

  private async around(process: WhyProcess, steps: BoundStep[], limits: Limits): Promise<Around> {
    const noted = stepOf(process);
    const step = steps.find(({ key }) => key === noted?.key) ?? null;
    const [type, presence] = await Promise.all([
      this.registry.typeAt(process.resourceType, process.definitionVersion),
      this.presence(process, step),
    ]);
    return { definition: type === null ? null : ownProcess(type, process.name), step, limits, ...presence };
  }

  /** Whether somebody takes the events of a step now, and what waits for a handler whose delivery is durable. */
  private async presence(
    { resourceType, name }: WhyProcess,
    step: BoundStep | null,
  ): Promise<Pick<Around, 'listening' | 'durable'>> {
    if (step === null || step.handler.kind !== 'external') return { listening: null, durable: null };
    const { handler, phase } = step;
    if (handler.delivery === 'durable') {
      const durable = await this.durableHandlers.read(handler.name);
      return { listening: durable?.listening ?? 'unknown', durable };
    }
    const verb = name.slice(name.indexOf('.') + 1);
    const subject = SUBJECTS.processEvent(resourceType, verb, phase, handler.name);
    return { listening: await this.listeners.on(subject), durable: null };
  }
}
