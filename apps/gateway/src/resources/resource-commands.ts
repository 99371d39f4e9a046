import { Injectable } from '@nestjs/common';
import {
  type CommandReply,
  createResource,
  readResources,
  type ResourceRow,
  startProcess,
  updateResource,
} from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import type { TypeDefinition } from '@drover/process-model';
import { Backend } from '../backend/backend.js';
import { renewDeadline } from '../backend/deadline.js';
import type { CommandOptions } from '../http/command-headers.js';
import { bodyFor, type RequestBody } from '../http/form.js';
import { Registry } from '../registry/registry.js';
import { Completions } from '../waiting/completions.js';
import { resourceJson } from './resource-json.js';
import { missing, type ResourceRef, ResourcePaths } from './resource-path.js';

/** The type whose active resources are part of the registry. */
const HANDLER_TYPE = 'externalHandler';

/** What a command needs besides its own fields. */
interface Envelope {
  commandId: string;
  commandHash: string | null;
  notify: string | null;
  account: number | null;
}

/** The resource of a command; one that is created has no id yet. */
type Named = Pick<ResourceRef, 'type'> & Partial<Pick<ResourceRef, 'id'>>;

/** Writes: each is one command to the engine, repeated with the same id while nobody answers. */
@Injectable()
export class ResourceCommands {
  constructor(
    private readonly registry: Registry,
    private readonly paths: ResourcePaths,
    private readonly backend: Backend,
    private readonly completions: Completions,
  ) {}

  /** `POST /v1/<plural>` */
  async create(plural: string, body: RequestBody, options: CommandOptions, base: string): Promise<JsonObject> {
    const type = await this.registry.typeOfPath(plural);
    return this.createOf(type, bodyFor(type, body), options, base);
  }

  async createOf(type: TypeDefinition, body: JsonObject, options: CommandOptions, base: string): Promise<JsonObject> {
    return this.run({ type }, options, base, (envelope) =>
      this.backend.command(createResource, { ...envelope, type: type.name, body, accountId: options.account }),
    );
  }

  /** `PUT /v1/<plural>/<id>` */
  async update(
    plural: string,
    id: string,
    body: RequestBody,
    options: CommandOptions,
    base: string,
  ): Promise<JsonObject> {
    const ref = await this.paths.refOf(plural, id);
    const { expectRevision } = options;
    const changed = withoutHypermedia(bodyFor(ref.type, body));
    return this.run(ref, options, base, (envelope) => {
      const request = { ...envelope, type: ref.type.name, resourceId: ref.number, body: changed, expectRevision };
      // A repeat of what was applied would meet its own revision.
      return this.backend.command(updateResource, request, expectRevision !== null);
    });
  }

  /** `DELETE /v1/<plural>/<id>`: starts `<type>.remove` */
  async remove(
    plural: string,
    id: string,
    body: JsonObject,
    options: CommandOptions,
    base: string,
  ): Promise<JsonObject> {
    const ref = await this.paths.refOf(plural, id);
    if (!Object.hasOwn(ref.type.processes, 'remove'))
      throw new DroverError(
        'MethodNotAllowed',
        `Resources of the type ${ref.type.name} cannot be removed: it has no process remove`,
      );
    return this.start(ref, 'remove', body, options, base);
  }

  /** `POST /v1/<plural>/<id>?action=<verb>`: starts `<type>.<verb>` with the body as process data */
  async act(
    plural: string,
    id: string,
    action: string | string[] | undefined,
    data: JsonObject,
    options: CommandOptions,
    base: string,
  ): Promise<JsonObject> {
    const ref = await this.paths.refOf(plural, id);
    if (typeof action !== 'string' || action === '')
      throw noSuchAction(ref.type, 'Name one action, ?action=<verb>: the type');
    const verb = action.toLowerCase();
    const type = await this.registry.find(({ types }) => typeWith(types.byName(ref.type.name), verb));
    if (type === undefined) throw noSuchAction(ref.type, `There is no action "${action.slice(0, 100)}": the type`);
    return this.start({ ...ref, type }, verb, data, options, base);
  }

  private start(
    ref: ResourceRef,
    verb: string,
    data: JsonObject,
    options: CommandOptions,
    base: string,
  ): Promise<JsonObject> {
    const process = ref.type.processes[verb]!.name;
    return this.run(ref, options, base, ({ commandId, commandHash, notify, account }) =>
      this.backend.command(startProcess, {
        commandId,
        commandHash,
        notify,
        account,
        process,
        resourceId: ref.number,
        data,
      }),
    );
  }

  /** Sends the command and, when the client prefers, waits for the end of its process; then shows the resource as it is. */
  private async run(
    ref: Named,
    options: CommandOptions,
    base: string,
    send: (envelope: Envelope) => Promise<CommandReply>,
  ): Promise<JsonObject> {
    const { type } = ref;
    const completion = options.waitMillis > 0 ? this.completions.listen() : null;
    try {
      const reply = await send({
        commandId: options.commandId,
        commandHash: options.commandHash,
        notify: completion?.subject ?? null,
        account: options.account,
      });
      const view = { snapshot: await this.registry.snapshot(), type, base };
      if (completion === null || reply.processId === null) return resourceJson(reply.resource, view, reply.processId);
      const live = options.commandHash === null || (await this.isLive(reply));
      const ended = live ? await completion.ended(options.waitMillis) : null;
      renewDeadline();
      // Who waited for a handler finds it in the definitions that this gateway shows.
      if (type.name === HANDLER_TYPE) await this.registry.refresh();
      return resourceJson(ended ?? (await this.present(reply.resource)), view, reply.processId);
    } catch (error) {
      throw named(error, ref);
    } finally {
      completion?.close();
    }
  }

  /** A notice can be lost: whoever was not told in time reads. */
  private async present(resource: ResourceRow): Promise<ResourceRow> {
    const { resources } = await this.backend.call(readResources, { ids: [resource.id] });
    return resources[0] ?? resource;
  }

  /** The process of a repeated command may have ended long ago: then there is nothing to wait for. */
  private async isLive({ resource, processId }: CommandReply): Promise<boolean> {
    const { processes } = await this.backend.call(readResources, { ids: [resource.id] });
    return processes.some(({ id, status }) => id === processId && status !== 'parked');
  }
}

/** Clients may send a whole resource back; these two are not the resource's. */
function withoutHypermedia({ links: _links, actions: _actions, ...body }: JsonObject): JsonObject {
  return body;
}

function typeWith(type: TypeDefinition | undefined, verb: string): TypeDefinition | undefined {
  return type !== undefined && Object.hasOwn(type.processes, verb) ? type : undefined;
}

/** @param intro ends before the type's name */
function noSuchAction(type: TypeDefinition, intro: string): DroverError {
  const verbs = Object.keys(type.processes).join(', ');
  return new DroverError('InvalidAction', `${intro} ${type.name} has ${verbs}`, { fieldName: 'action' });
}

/** The engine knows numbers only: what it does not find is named as the client wrote it. */
function named(error: unknown, { type, id }: Named): unknown {
  const unknown = error instanceof DroverError && error.code === 'NotFound' && id !== undefined;
  return unknown ? missing({ type, id }) : error;
}
