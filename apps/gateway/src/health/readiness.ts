import { Injectable } from '@nestjs/common';
import { listBuiltinHandlers, readResources } from '@drover/contracts';
import { MessageBus } from '@drover/messaging';
import type { FastifyReply } from 'fastify';
import { Registry } from '../registry/registry.js';

/** A dependency that is slower counts as down, milliseconds. */
const ANSWER_MILLIS = 1_000;

/** Whether the gateway can do its work now. */
@Injectable()
export class Readiness {
  constructor(
    private readonly bus: MessageBus,
    private readonly registry: Registry,
  ) {}

  /** Dependencies by name, true when usable. Any store and any engine will do. */
  async checks(): Promise<Record<string, boolean>> {
    const [store, engine] = await Promise.all([
      answers(this.bus.request(readResources, { ids: [] }, ANSWER_MILLIS)),
      answers(this.bus.request(listBuiltinHandlers, {}, ANSWER_MILLIS)),
    ]);
    return {
      nats: !this.bus.connection.isClosed(),
      resourceStore: store,
      processEngine: engine,
      definitions: this.registry.isLoaded,
    };
  }

  async send(reply: FastifyReply): Promise<void> {
    const checks = await this.checks();
    const failing = Object.keys(checks).filter((name) => !checks[name]);
    const status = failing.length === 0 ? 'ok' : 'unavailable';
    await reply.code(failing.length === 0 ? 200 : 503).send({ status, failing });
  }
}

function answers(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}
