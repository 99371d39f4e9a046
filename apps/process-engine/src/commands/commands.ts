import { Injectable } from '@nestjs/common';
import {
  type CommandReply,
  type CommitOutcome,
  type createResource,
  listProcesses,
  type operateProcess,
  type ProcessRow,
  readResources,
  type RequestContract,
  type ResourceInsert,
  type ResourceRow,
  type startProcess,
  type updateResource,
} from '@drover/contracts';
import {
  DroverError,
  formatId,
  isJsonObject,
  type JsonObject,
  newToken,
  parseId,
  PROCESS_INSTANCE_PREFIX,
  uuidv7,
} from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import {
  afterStart,
  externalResource,
  guards,
  hindrances,
  legalActions,
  operatorAudit,
  ownProcess,
  planCreate,
  planStart,
  planStartOn,
  planWrite,
  type ProcessDefinition,
  references,
  refsAfter,
  refsOf,
  type StartDecision,
  type StartRequest,
  type Surroundings,
  type TypeDefinition,
  validateCreate,
  validateUpdate,
} from '@drover/process-model';
import { Committer } from '../commit/committer.js';
import { Lifecycle } from '../lifecycle/lifecycle.js';
import { WorkLoader } from '../lifecycle/work-loader.js';
import { Log } from '../log.js';
import { RelatedReads } from '../related/related-reads.js';
import { EngineRegistry } from '../registry/engine-registry.js';
import { checkEnvelope } from './envelope.js';

type RequestOf<C> = C extends RequestContract<infer Request, unknown> ? Request : never;
type Command = Pick<RequestOf<typeof startProcess>, 'commandId' | 'commandHash' | 'notify'>;

/** Races lost in a row before a command gives up; each means that another writer won. */
const MAX_TRIES = 20;

/** A decided command, with what it was decided on. */
interface Planned extends StartDecision {
  around: Surroundings;
  before: { process: ProcessRow; resource: ResourceRow } | null;
}

/** A command that was worked in. `begun`: by this request, not by an earlier one, and a process with it. */
interface Done {
  reply: CommandReply;
  begun: boolean;
}

/** Commands of clients: each becomes one commit, and is answered after it (null: not before its process ends). */
@Injectable()
export class Commands {
  constructor(
    private readonly bus: MessageBus,
    private readonly registry: EngineRegistry,
    private readonly committer: Committer,
    private readonly lifecycle: Lifecycle,
    private readonly loader: WorkLoader,
    private readonly log: Log,
    private readonly related: RelatedReads,
  ) {}

  async create(request: RequestOf<typeof createResource>): Promise<CommandReply | null> {
    checkEnvelope(request);
    const body = bodyOf(request.body);
    const start = startRequest(request, body);
    // All of it again when the definition turns out to be old: its new version may have other fields and defaults.
    const done = await this.commit(async () => {
      const type = await this.typeNamed(request.type);
      const insert = await this.insertOf(type, body, request.accountId ?? request.account ?? null);
      const around = await this.registry.around(type);
      return { ...planCreate(type.processes['create'], insert, around, start), around, before: null };
    });
    return answerTo(request, done);
  }

  private async insertOf(type: TypeDefinition, body: JsonObject, accountId: number | null): Promise<ResourceInsert> {
    const checked = validateCreate(type, body);
    await this.checkReferences(type, checked.data);
    const refs = refsOf(type, checked.data);
    return {
      type: type.name,
      kind: checked.kind ?? type.name,
      uuid: checked.uuid ?? uuidv7(),
      name: checked.name ?? null,
      description: checked.description ?? null,
      data: checked.data,
      accountId,
      regions: Object.fromEntries(Object.entries(type.stateFields).map(([name, { initial }]) => [name, initial])),
      ...(refs.length === 0 ? {} : { refs }),
    };
  }

  async start(request: RequestOf<typeof startProcess>): Promise<CommandReply | null> {
    checkEnvelope(request);
    const start: StartRequest = startRequest(request, bodyOf(request.data ?? {}));
    const expected = request.expectRevision ?? null;
    if (expected !== null) start.expectRevision = expected;
    return answerTo(request, await this.startWith(request, start));
  }

  /** Starts a process on a related resource; repeated with the same command id, it starts nothing twice. */
  async startChild(child: {
    process: string;
    resourceId: number;
    commandId: string;
    parent: NonNullable<StartRequest['parent']>;
  }): Promise<CommandReply> {
    const { process, resourceId, commandId, parent } = child;
    const start = startRequest({ commandId, commandHash: null, notify: null }, {});
    return (await this.startWith({ process, resourceId }, { ...start, parent })).reply;
  }

  private async startWith(
    request: Pick<RequestOf<typeof startProcess>, 'process' | 'resourceId'>,
    start: StartRequest,
  ): Promise<Done> {
    const expected = start.expectRevision ?? null;
    const planOn = async (resource: ResourceRow, live: ProcessRow | null): Promise<Planned> => {
      if (expected !== null && expected !== resource.revision) throw mismatch(expected, resource);
      const { type, definition } = await this.processNamed(request.process);
      return this.planOn(definition, type, resource, live, start);
    };
    return this.commit(async () => {
      const { type, definition } = await this.processNamed(request.process);
      if (definition.refuseWhile.length > 0) {
        // A repeat of a start that was accepted is answered as the first try was, whatever is related by now.
        const first = await this.answered(start);
        if (first !== null) return first;
        return this.planUnrelated(definition, type, await this.read(request.resourceId, type.name), start);
      }
      const around = await this.registry.around(type);
      const { transition, effects } = planStart(definition, numberOf(request.resourceId), around, start);
      return { transition, effects, around, before: null };
    }, planOn);
  }

  /** A start that hangs on relations: they are looked at now, so that a refusal can name them, and again in the commit. */
  private async planUnrelated(
    definition: ProcessDefinition,
    type: TypeDefinition,
    resource: ResourceRow,
    start: StartRequest,
  ): Promise<Planned> {
    const guarded = await this.unrelated(definition, type, resource, start);
    const around = await this.registry.around(type);
    return { ...planStart(definition, resource.id, around, guarded), around, before: null };
  }

  /** @throws DroverError ActionNotAvailable, which names what is related */
  private async unrelated(
    definition: ProcessDefinition,
    type: TypeDefinition,
    resource: ResourceRow,
    start: StartRequest,
  ): Promise<StartRequest> {
    await this.related.refuseWhile(definition, type, resource);
    // Which resource a reference names is read here: it must still be this revision.
    return { ...start, unless: hindrances(definition, type, resource), expectRevision: resource.revision };
  }

  async update(request: RequestOf<typeof updateResource>): Promise<CommandReply | null> {
    checkEnvelope(request);
    const body = bodyOf(request.body);
    const plan = async (resource: ResourceRow, live: ProcessRow | null): Promise<Planned | CommandReply> => {
      const type = await this.typeNamed(resource.type);
      if (request.expectRevision !== null && request.expectRevision !== resource.revision)
        throw mismatch(request.expectRevision, resource);
      const { data, ...envelope } = validateUpdate(type, body, externalResource(resource, type));
      const write: NonNullable<StartRequest['write']> = {
        data: Object.keys(data).length === 0 ? null : data,
        ...envelope,
      };
      const refs = refsAfter(type, resource.data, write.data);
      if (refs !== undefined) write.refs = refs;
      if (write.data === null && Object.keys(envelope).length === 0) return { resource, processId: null };
      await this.checkReferences(type, data);
      const start: StartRequest = {
        ...startRequest(request, { ...data, ...envelope }),
        write,
        expectRevision: resource.revision,
      };
      const definition = type.processes['update'];
      if (definition !== undefined) return this.planOn(definition, type, resource, live, start);
      const around = await this.registry.around(type);
      return { ...planWrite(resource, around, start), around, before: null };
    };
    // The first try moved the revision on: its repeat must not be told that it is stale.
    const first = request.expectRevision === null ? null : await this.answered(request);
    if (first !== null) return first;
    const resource = await this.read(request.resourceId, request.type);
    return answerTo(request, await this.commit(() => plan(resource, null), plan));
  }

  async operate(request: RequestOf<typeof operateProcess>): Promise<CommandReply> {
    checkEnvelope(request);
    // After the first try the same act would be refused, or would hit the next step.
    const first = await this.answered(request);
    if (first !== null) return first;
    try {
      return await this.act(request);
    } catch (error) {
      // An earlier try may have been under way when it was looked for, and what refuses this one is what it did.
      const earlier = await this.answered(request);
      if (earlier === null) throw error;
      return earlier;
    }
  }

  private async act(request: RequestOf<typeof operateProcess>): Promise<CommandReply> {
    const { live } = await this.loader.load(numberOf(request.processId));
    const { action, state, operator, commandId, commandHash } = request;
    const audit = { action, state, operator, processId: request.processId };
    if (live === null) {
      const replayed = await this.operateEnded(request);
      this.log.info({ ...audit, startedProcessId: replayed.processId }, 'an operator acted on a process');
      return replayed;
    }
    const input = { kind: 'operate', action, state, operator, commandId, commandHash } as const;
    if (await this.lifecycle.handle(live.process.id, input))
      this.log.info({ ...audit, resourceId: live.resource.id }, 'an operator acted on a process');
    return { resource: await this.read(live.resource.id, live.resource.type), processId: live.process.id };
  }

  /**
   * Commits a plan, deciding again with the present rows as long as others win the race.
   * @param planOn decides with the present rows after a conflict; without it a conflict cannot happen
   */
  private async commit(
    plan: () => Promise<Planned | CommandReply>,
    planOn?: (resource: ResourceRow, live: ProcessRow | null) => Promise<Planned | CommandReply>,
  ): Promise<Done> {
    let planned = await plan();
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (!('transition' in planned)) return { reply: planned, begun: false };
      const after = afterStart(planned.transition, await this.committer.commit(planned.transition));
      switch (after.kind) {
        case 'started': {
          const { processId } = after.applied;
          const resource = await this.lifecycle.started(planned, after.applied, planned.before, planned.around);
          return { reply: { resource, processId }, begun: processId !== null };
        }
        case 'repeated':
          return { reply: await this.repeated(after.repeat, after.ours), begun: false };
        case 'planOn':
          if (planOn === undefined) throw notFound();
          planned = await planOn(after.resource, after.process);
          break;
        case 'staleRegistry':
          await this.registry.mirror.refresh();
          planned = await plan();
          break;
        case 'refuse':
          throw after.error;
      }
    }
    throw new DroverError('ResourceBusy', 'The resource is changed by others all the time; try again');
  }

  /**
   * An act on a process that does not live. Only `replay` can mean something: the same process is started anew with the same data, where
   * its resource rests in a state from which it may start.
   */
  private async operateEnded(request: RequestOf<typeof operateProcess>): Promise<CommandReply> {
    const { action, operator, processId } = request;
    const page = { ids: [processId], resourceId: null, filters: [], limit: 1, beforeId: null };
    const [ended] = (await this.bus.request(listProcesses, page)).processes;
    if (ended === undefined) throw new DroverError('NotFound', 'There is no process of that number');
    const how = ended.live ? 'is just ending' : `has ended (${ended.exitReason})`;
    if (ended.live || action !== 'replay')
      throw new DroverError('ActionNotAvailable', `The process ${how}; nothing can be done with it but a replay`);
    const start: StartRequest = {
      ...startRequest(request, ended.data),
      audit: operatorAudit(action, operator, `${formatId(PROCESS_INSTANCE_PREFIX, processId)} anew`),
    };
    const { type, definition } = await this.processNamed(ended.name);
    const { reply } = await this.commit(
      async () => {
        if (definition.refuseWhile.length > 0)
          return this.planUnrelated(definition, type, await this.read(ended.resourceId, type.name), start);
        const around = await this.registry.around(type);
        return { ...planStart(definition, ended.resourceId, around, start), around, before: null };
      },
      (resource, live) => {
        if (live === null) return this.planOn(definition, type, resource, null, start);
        throw new DroverError(
          'ActionNotAvailable',
          `The process ${how}; it cannot be replayed while ${live.name} works`,
        );
      },
    );
    return reply;
  }

  /** The first answer of a command that was applied before, else null: a transition that cannot apply asks the store for it. */
  private async answered({
    commandId,
    commandHash,
  }: Pick<Command, 'commandId' | 'commandHash'>): Promise<CommandReply | null> {
    if (commandId === null || commandId === undefined) return null;
    const transition = { ...guards(this.registry.mirror.snapshot.revision), commandId, commandHash, resourceId: 0 };
    const { outcome } = await this.committer.commit({ ...transition, expectRevision: -1, returnResource: true });
    if (outcome.outcome === 'commandReused') throw reused();
    return outcome.outcome === 'repeat' ? this.repeated(outcome, false) : null;
  }

  /** The command had been applied: by an earlier request, or by our own commit whose answer was lost. */
  private async repeated(outcome: Extract<CommitOutcome, { outcome: 'repeat' }>, ours: boolean): Promise<CommandReply> {
    if (ours && outcome.processId !== null) await this.lifecycle.resume(outcome.processId);
    if (outcome.resource === null) throw notFound();
    return { resource: outcome.resource, processId: outcome.processId };
  }

  private async planOn(
    definition: ProcessDefinition,
    type: TypeDefinition,
    resource: ResourceRow,
    live: ProcessRow | null,
    start: StartRequest,
  ): Promise<Planned> {
    const guarded = definition.refuseWhile.length > 0 ? await this.unrelated(definition, type, resource, start) : start;
    const around = await this.registry.around(type);
    const regions = Object.fromEntries(Object.entries(resource.regions).map(([name, region]) => [name, region.state]));
    const legal = legalActions(type, resource.state, regions);
    const decision = planStartOn(definition, resource, live, legal, around, guarded);
    if (decision instanceof DroverError) throw decision;
    return { ...decision, around, before: live === null ? null : { process: live, resource } };
  }

  private async checkReferences(type: TypeDefinition, data: JsonObject): Promise<void> {
    const wanted = references(type, data);
    if (wanted.length === 0) return;
    const numbers = wanted.map((reference) => parseId(reference.id)?.number ?? 0);
    const { resources } = await this.bus.request(readResources, { ids: numbers });
    wanted.forEach((reference, i) => {
      const found = resources.find((resource) => resource.id === numbers[i]);
      if (found === undefined || found.type !== reference.type || found.removed !== null)
        throw new DroverError('InvalidReference', `${reference.field}: there is no ${reference.type} ${reference.id}`, {
          fieldName: reference.field,
        });
    });
  }

  private async read(id: number, type: string): Promise<ResourceRow> {
    const { resources } = await this.bus.request(readResources, { ids: [numberOf(id)] });
    const resource = resources[0];
    if (resource === undefined || resource.type !== type) throw notFound();
    return resource;
  }

  private async typeNamed(name: string): Promise<TypeDefinition> {
    const type = await this.registry.mirror.find(({ types }) => types.byName(name));
    if (type === undefined)
      throw new DroverError('TypeUnknown', `There is no resource type "${String(name).slice(0, 64)}"`);
    return type;
  }

  private async processNamed(name: string): Promise<{ type: TypeDefinition; definition: ProcessDefinition }> {
    const definition = await this.registry.mirror.find(({ types }) => types.process(String(name)));
    if (definition === undefined)
      throw new DroverError('ProcessUnknown', `There is no process "${String(name).slice(0, 130)}"`);
    const type = await this.typeNamed(definition.resourceType);
    return { type, definition: ownProcess(type, definition.name) ?? definition };
  }
}

function answerTo({ answer }: { answer?: 'atEnd' | null }, { reply, begun }: Done): CommandReply | null {
  return answer === 'atEnd' && begun ? null : reply;
}

function startRequest(command: Command, data: JsonObject): StartRequest {
  return {
    data,
    notify: command.notify ?? null,
    token: newToken(),
    commandId: command.commandId ?? uuidv7(),
    commandHash: command.commandHash ?? null,
  };
}

function bodyOf(body: unknown): JsonObject {
  if (!isJsonObject(body)) throw new DroverError('InvalidBodyContent', 'The body must be a JSON object');
  return body;
}

function numberOf(id: unknown): number {
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id <= 0) throw notFound();
  return id;
}

function reused(): DroverError {
  return new DroverError('IdempotencyKeyReused', 'This key was used for another request');
}

function mismatch(expected: number, { revision }: ResourceRow): DroverError {
  return new DroverError('RevisionMismatch', `The resource is at revision ${revision}, not ${expected}`);
}

function notFound(): DroverError {
  return new DroverError('NotFound', 'There is no such resource');
}
