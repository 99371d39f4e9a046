import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import {
  type CommandReply,
  createResource,
  handlerConsumer,
  listResources,
  readResources,
  registerHandler,
  type ResourceRow,
  startProcess,
  STREAMS,
  updateResource,
} from '@drover/contracts';
import { DroverError, isJsonObject, type JsonObject, monotonicMillis, sleep, uuidv7 } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { externalResource } from '@drover/process-model';
import type { Subscription } from 'nats';
import { Backend } from '../backend/backend.js';
import { Log } from '../log.js';
import { Registry } from '../registry/registry.js';
import { Completions } from '../waiting/completions.js';
import { ExternalHandlers } from './external-handlers.js';

const TYPE = 'externalHandler';
/** A handler asks with a time-out of its own, usually 5 s. */
const ACTIVE_MILLIS = 4_000;
/** The end of a process is a message that may be lost; the resource is read this often as well. */
const LOOK_MILLIS = 500;
const MAX_IN_FLIGHT = 256;

/** Serves `drover.handler.register`: the same body as over HTTP, answered once the handler is active, so that it may register at each start. */
@Injectable()
export class RegisterOverNats implements OnApplicationBootstrap, OnApplicationShutdown {
  private served: Subscription | undefined;

  constructor(
    private readonly bus: MessageBus,
    private readonly backend: Backend,
    private readonly registry: Registry,
    private readonly completions: Completions,
    private readonly handlers: ExternalHandlers,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.served = this.bus.serve(registerHandler, (body) => this.register(body), {
      maxInFlight: MAX_IN_FLIGHT,
      onInternalError: (error) => this.log.error({ err: error }, 'a registration failed'),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.served?.drain();
  }

  /** @throws DroverError as `POST /v1/externalhandlers`, except for a uuid that is registered already */
  async register(body: unknown): Promise<JsonObject> {
    if (!isJsonObject(body)) throw new DroverError('InvalidBodyContent', 'A registration is a JSON object');
    const fields = await this.handlers.registration(body);
    const present = typeof fields['uuid'] === 'string' ? await this.byUuid(fields['uuid']) : null;
    const row = present === null ? await this.createOrRenew(fields) : await this.renew(present, fields);
    if (row.data['delivery'] === 'durable') await this.untilConsumed(row.name ?? '');
    const type = (await this.registry.snapshot()).types.byName(TYPE)!;
    return externalResource(row, type);
  }

  /** The engines make the consumer as soon as they hear of the handler: who pulls from it right after the answer finds it there. */
  private async untilConsumed(handler: string): Promise<void> {
    const end = monotonicMillis() + ACTIVE_MILLIS;
    const subject = `$JS.API.CONSUMER.INFO.${STREAMS.work}.${handlerConsumer(handler)}`;
    for (;;) {
      const info = await this.bus.connection.request(subject, '', { timeout: LOOK_MILLIS }).catch(() => null);
      if (info !== null && !('error' in info.json<object>())) return;
      if (monotonicMillis() > end)
        throw new DroverError('Unavailable', 'The handler is active, but its consumer is not there yet; ask again');
      await sleep(25);
    }
  }

  /** Programs of one handler start together, and a request that timed out comes again: another one may be first with the uuid. */
  private async createOrRenew(fields: JsonObject): Promise<ResourceRow> {
    try {
      return await this.create(fields);
    } catch (error) {
      const { uuid } = fields;
      const lost = error instanceof DroverError && error.code === 'NotUnique' && typeof uuid === 'string';
      const first = lost ? await this.byUuid(uuid) : null;
      if (first === null) throw error;
      return this.renew(first, fields);
    }
  }

  private create(fields: JsonObject): Promise<ResourceRow> {
    return this.untilActive((notify) =>
      this.backend.call(createResource, { ...command(notify), type: TYPE, body: fields, accountId: null }),
    );
  }

  /** A handler that starts again: its registration is made what it says now, and active. */
  private async renew(present: ResourceRow, fields: JsonObject): Promise<ResourceRow> {
    if (present.removed !== null)
      throw new DroverError('NotUnique', 'A removed handler had this uuid; choose another', { fieldName: 'uuid' });
    const settled = await this.untilActive(() => this.update(present.id, fields), isSettled);
    if (settled.state === 'active') return settled;
    return this.untilActive((notify) =>
      this.backend.call(startProcess, {
        ...command(notify),
        process: 'externalhandler.activate',
        resourceId: present.id,
        data: {},
      }),
    );
  }

  private update(resourceId: number, { uuid: _uuid, ...body }: JsonObject): Promise<CommandReply> {
    return this.backend.call(updateResource, { ...command(null), type: TYPE, resourceId, body, expectRevision: null });
  }

  /** Does something to the handler and looks until it is active, or at rest as `enough` says. */
  private async untilActive(
    act: (notify: string) => Promise<CommandReply>,
    enough: (row: ResourceRow) => boolean = isActive,
  ): Promise<ResourceRow> {
    const completion = this.completions.listen();
    try {
      const end = monotonicMillis() + ACTIVE_MILLIS;
      let row = (await act(completion.subject)).resource;
      while (!enough(row)) {
        if (monotonicMillis() > end)
          throw new DroverError('Unavailable', `The handler is registered, but still ${row.state}; ask again`);
        await completion.ended(Math.min(LOOK_MILLIS, end - monotonicMillis()));
        await sleep(10);
        const { resources } = await this.backend.call(readResources, { ids: [row.id] });
        row = resources[0] ?? row;
      }
      return row;
    } finally {
      completion.close();
    }
  }

  private async byUuid(uuid: string): Promise<ResourceRow | null> {
    const { resources } = await this.backend.call(listResources, {
      type: TYPE,
      filters: [{ field: 'uuid', modifier: 'eq', value: uuid }],
      limit: 1,
      afterId: null,
      descending: false,
      includeRemoved: true,
    });
    return resources[0] ?? null;
  }
}

function command(notify: string | null): { commandId: string; commandHash: null; notify: string | null } {
  return { commandId: uuidv7(), commandHash: null, notify };
}

function isActive(row: ResourceRow): boolean {
  return row.state === 'active';
}

function isSettled(row: ResourceRow): boolean {
  return row.state === 'active' || row.state === 'inactive';
}
