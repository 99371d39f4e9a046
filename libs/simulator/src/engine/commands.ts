import type { CommitTransition, ProcessRow, ResourceInsert, ResourceRow, WorkRow } from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import {
  afterStart,
  type Input,
  legalActions,
  planCreate,
  planStart,
  planStartOn,
  planWrite,
  type ProcessDefinition,
  processAfter,
  resourceAfter,
  type StartDecision,
  type StartRequest,
  type Surroundings,
} from '@drover/process-model';
import type { SimEngine } from './sim-engine.js';

const MAX_TRIES = 20;
const READ_MILLIS = 2_000;

/** What a client asks for; the same with the same `commandId` when it is asked again. */
export type Command = { commandId: string } & (
  | { kind: 'create'; type: string; insert: ResourceInsert }
  | {
      kind: 'start';
      type: string;
      verb: string;
      resourceId: number;
      data: JsonObject;
      /** the process that asks for it, as for its child */
      parent?: NonNullable<StartRequest['parent']>;
      expectRevision?: number;
    }
  | { kind: 'update'; type: string; resourceId: number; data: JsonObject; expectRevision: number | null }
  | { kind: 'operate'; processId: number; action: Extract<Input, { kind: 'operate' }>['action']; state: string | null }
);

/** The engine's word to the client. `unknown`: it may or may not have happened. */
export type Answer =
  { kind: 'done'; processId: number | null } | { kind: 'refused'; code: string } | { kind: 'unknown' };

interface Planned extends StartDecision {
  around: Surroundings;
  before: WorkRow | null;
}

type Plan = (planned: Planned | DroverError | { processId: null }) => void;

/** Commands of clients (apps/process-engine/src/commands), with callbacks in place of promises. */
export class Commands {
  constructor(private readonly engine: SimEngine) {}

  carryOut(command: Command, token: string, answered: (answer: Answer) => void): void {
    switch (command.kind) {
      case 'create':
        return this.create(command, token, answered);
      case 'start':
        return this.start(command, token, answered);
      case 'update':
        return this.update(command, token, answered);
      case 'operate':
        this.engine.load(command.processId, ({ live }) => {
          if (live === null) return answered({ kind: 'refused', code: 'NotFound' });
          const { commandId, action, state } = command;
          const commandHash = hashOf(command);
          this.engine.handle({
            processId: live.process.id,
            input: { kind: 'operate', action, state, operator: 'ann', commandId, commandHash },
            worked: (worked) => answered(worked === 'done' ? { kind: 'done', processId: null } : { kind: 'unknown' }),
          });
        });
    }
  }

  private create(
    command: Extract<Command, { kind: 'create' }>,
    token: string,
    answered: (answer: Answer) => void,
  ): void {
    const plan = (planned: Plan): void =>
      this.engine.registry.aroundType(command.type, (around) =>
        planned({
          ...planCreate(around.type.processes['create'], command.insert, around, requestOf(command, token)),
          around,
          before: null,
        }),
      );
    this.commit(plan, null, answered);
  }

  private start(command: Extract<Command, { kind: 'start' }>, token: string, answered: (answer: Answer) => void): void {
    const request = requestOf(command, token);
    const plan = (planned: Plan): void =>
      this.engine.registry.aroundType(command.type, (around) =>
        planned({
          ...planStart(around.type.processes[command.verb]!, command.resourceId, around, request),
          around,
          before: null,
        }),
      );
    const planOn = (resource: ResourceRow, live: ProcessRow | null, planned: Plan): void => {
      if (command.expectRevision !== undefined && command.expectRevision !== resource.revision)
        return planned(new DroverError('RevisionMismatch', 'The resource is at another revision'));
      this.engine.registry.aroundType(command.type, (around) =>
        planned(this.planOn(around.type.processes[command.verb]!, resource, live, around, request)),
      );
    };
    this.commit(plan, planOn, answered);
  }

  private update(
    command: Extract<Command, { kind: 'update' }>,
    token: string,
    answered: (answer: Answer) => void,
  ): void {
    const planOn = (resource: ResourceRow, live: ProcessRow | null, planned: Plan): void =>
      this.engine.registry.aroundType(command.type, (around) => {
        if (command.expectRevision !== null && command.expectRevision !== resource.revision)
          return planned(new DroverError('RevisionMismatch', 'The resource is at another revision'));
        const write = { data: command.data };
        const request = { ...requestOf(command, token), write, expectRevision: resource.revision };
        const definition = around.type.processes['update'];
        if (definition !== undefined) return planned(this.planOn(definition, resource, live, around, request));
        planned({ ...planWrite(resource, around, request), around, before: null });
      });
    this.read(command.resourceId, (resource) => {
      if (resource === null) return answered({ kind: 'refused', code: 'NotFound' });
      this.commit((planned) => planOn(resource, null, planned), planOn, answered);
    });
  }

  private commit(
    plan: (planned: Plan) => void,
    planOn: ((resource: ResourceRow, live: ProcessRow | null, planned: Plan) => void) | null,
    answered: (answer: Answer) => void,
    tries = 0,
  ): void {
    const planned: Plan = (decision) => {
      if (decision instanceof DroverError) return answered({ kind: 'refused', code: decision.code });
      if (!('transition' in decision)) return answered({ kind: 'done', processId: null });
      if (tries++ >= MAX_TRIES) return answered({ kind: 'refused', code: 'ResourceBusy' });
      const transition = this.spoiled(decision.transition);
      this.engine.commit(transition, { kind: 'command' }, (committed) => {
        if (committed === null) return answered({ kind: 'refused', code: 'Internal' });
        const after = afterStart(transition, committed);
        switch (after.kind) {
          case 'started': {
            const { before, around, effects } = decision;
            const process = processAfter(before?.process ?? null, transition, after.applied);
            const resource = resourceAfter(before?.resource ?? null, transition, after.applied);
            this.engine.dueWork.expect(transition.start?.wakeMillis ?? null);
            this.engine.carryOut(effects, process, resource, before, around);
            return answered({ kind: 'done', processId: after.applied.processId });
          }
          case 'repeated': {
            const { processId } = after.repeat;
            const answer = (): void => answered({ kind: 'done', processId });
            return after.ours && processId !== null ? this.engine.resume(processId, answer) : answer();
          }
          case 'planOn':
            if (planOn === null) return answered({ kind: 'refused', code: 'NotFound' });
            return planOn(after.resource, after.process, planned);
          case 'staleRegistry':
            return this.engine.registry.refresh(() => plan(planned));
          case 'refuse':
            return answered({ kind: 'refused', code: after.error.code });
        }
      });
    };
    plan(planned);
  }

  private planOn(
    definition: ProcessDefinition,
    resource: ResourceRow,
    live: ProcessRow | null,
    around: Surroundings,
    request: StartRequest,
  ): Planned | DroverError {
    const regions: Record<string, string> = {};
    for (const [name, region] of Object.entries(resource.regions)) regions[name] = region.state;
    const legal = legalActions(around.type, resource.state, regions);
    const decision = planStartOn(definition, resource, live, legal, around, request);
    if (decision instanceof DroverError) return decision;
    return { ...decision, around, before: live === null ? null : { process: live, resource } };
  }

  private read(id: number, then: (resource: ResourceRow | null) => void): void {
    const { link } = this.engine;
    link.request(
      READ_MILLIS,
      () => ({ resource: link.store.resource(id) }),
      (answer) => (answer === null ? this.read(id, then) : then(answer.resource)),
    );
  }

  /** The planted defect: the new process forgets whom it should wait for. */
  private spoiled(transition: CommitTransition): CommitTransition {
    const { start } = transition;
    if (this.engine.link.mutant !== 'preempt-at-once' || start?.status !== 'waitingPredecessor') return transition;
    const { predecessor: _predecessor, ...progress } = start.progress;
    const sent = { status: 'dispatched', dispatch: 1, predecessorId: null, progress } as const;
    return { ...transition, start: { ...start, ...sent } };
  }
}

function requestOf(command: Command, token: string): StartRequest {
  const data = 'data' in command ? command.data : {};
  const request = { data, notify: null, token, commandId: command.commandId, commandHash: hashOf(command) };
  if (command.kind !== 'start') return request;
  const { parent, expectRevision } = command;
  return {
    ...request,
    ...(parent === undefined ? {} : { parent }),
    ...(expectRevision === undefined ? {} : { expectRevision }),
  };
}

function hashOf(command: Command): string {
  return `${command.kind} ${command.commandId}`;
}
