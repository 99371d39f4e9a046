import { randomUUID } from 'node:crypto';
import {
  applyDefinition,
  checkInvariants,
  type CommandReply,
  createResource,
  liftPause,
  listProcesses,
  listTransitions,
  operateProcess,
  type OperatorAction,
  type ProcessEnded,
  type ProcessView,
  readResources,
  setPause,
  type ResourceRow,
  startProcess,
  SUBJECTS,
  type TransitionRow,
  updateResource,
} from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { waitFor, type WaitOptions } from '@drover/testing';
import { parse } from 'yaml';

/** What the gateway is to the engine and the store, without HTTP. */
export class Client {
  private readonly ends = new Map<number, ProcessEnded[]>();
  private readonly name = `test-${randomUUID().slice(0, 8)}`;
  private calls = 0;

  constructor(readonly bus: MessageBus) {
    bus.connection.subscribe(SUBJECTS.notify(this.name, '*'), {
      callback: (_error, message) => {
        const ended = message.json<ProcessEnded>();
        this.ends.set(ended.processId, [...(this.ends.get(ended.processId) ?? []), ended]);
      },
    });
  }

  /** Declares a type, or the next version of it. */
  async define(yaml: string): Promise<void> {
    const document = parse(yaml) as JsonObject;
    const whole = { apiVersion: 'drover/v1', kind: 'ResourceType', ...document };
    const apply = (mode: 'create' | 'update') =>
      this.bus.request(applyDefinition, {
        document: whole,
        mode,
        name: mode === 'create' ? null : String(document['name']),
      });
    await apply('create').catch((error: { code?: string }) => {
      if (error.code !== 'NotUnique') throw error;
      return apply('update');
    });
  }

  create(
    type: string,
    body: JsonObject = {},
    commandId: string | null = null,
    accountId: number | null = null,
  ): Promise<CommandReply> {
    return this.bus.request(createResource, { ...this.command(commandId), type, body, accountId });
  }

  /** A new resource of the type, its create process ended. */
  async rested(type: string, body: JsonObject = {}, accountId: number | null = null): Promise<number> {
    const { resource, processId } = await this.create(type, body, null, accountId);
    await this.ended(processId!);
    return resource.id;
  }

  start(process: string, resourceId: number, data: JsonObject = {}, commandId: string | null = null) {
    return this.bus.request(startProcess, { ...this.command(commandId), process, resourceId, data });
  }

  update(
    type: string,
    resourceId: number,
    body: JsonObject,
    expectRevision: number | null = null,
    commandId: string | null = null,
  ) {
    return this.bus.request(updateResource, { ...this.command(commandId), type, resourceId, body, expectRevision });
  }

  operate(
    processId: number,
    action: OperatorAction,
    state: string | null = null,
    commandId: string | null = null,
  ): Promise<CommandReply> {
    const command = this.command(commandId);
    return this.bus.request(operateProcess, { ...command, processId, action, state, operator: 'ada' });
  }

  pause(scope: string, reason: string | null = null) {
    return this.bus.request(setPause, { scope, operator: 'ada', reason });
  }

  lift(scope: string) {
    return this.bus.request(liftPause, { scope });
  }

  async read(id: number): Promise<ResourceRow> {
    const { resources } = await this.bus.request(readResources, { ids: [id] });
    if (resources[0] === undefined) throw new Error(`there is no resource ${id}`);
    return resources[0];
  }

  /** The process, live or finished. */
  async process(id: number): Promise<ProcessView> {
    const { processes } = await this.bus.request(listProcesses, {
      ids: [id],
      resourceId: null,
      filters: [],
      limit: 1,
      beforeId: null,
    });
    if (processes[0] === undefined) throw new Error(`there is no process ${id}`);
    return processes[0];
  }

  /** Live and finished processes of a resource, oldest first. */
  async processesOf(resourceId: number): Promise<ProcessView[]> {
    const request = { ids: null, resourceId, filters: [], limit: 100, beforeId: null };
    return (await this.bus.request(listProcesses, request)).processes.toSorted((a, b) => a.id - b.id);
  }

  /** `from>to` of every move of a state, oldest first. */
  async moves(resourceId: number): Promise<string[]> {
    const { transitions } = await this.bus.request(listTransitions, { resourceId, limit: 100, afterRevision: null });
    return transitions
      .filter(({ from, to }: TransitionRow) => from !== to)
      .map(({ from, to }: TransitionRow) => `${from}>${to}`);
  }

  /** Hears the end of a process that this client started, parked included; which is told also when it comes again. */
  async ended(processId: number, options: WaitOptions = {}): Promise<string> {
    const heard = () => this.ends.get(processId)?.at(-1)?.exitReason;
    return waitFor(heard, { what: `the end of process ${processId}`, ...options });
  }

  /** Every end that was told of a process. */
  endsOf(processId: number): string[] {
    return (this.ends.get(processId) ?? []).map(({ exitReason }) => exitReason);
  }

  /** The resource as soon as it looks as wanted. */
  until(id: number, wanted: Partial<ResourceRow> | ((resource: ResourceRow) => boolean), options: WaitOptions = {}) {
    const fits = typeof wanted === 'function' ? wanted : (resource: ResourceRow) => contains(resource, wanted);
    let last: ResourceRow | undefined;
    const look = async (): Promise<ResourceRow | false> => {
      last = await this.read(id);
      return fits(last) && last;
    };
    return waitFor(look, { what: `resource ${id} as wanted`, ...options }).catch((error: Error) => {
      error.message += `; it is ${JSON.stringify(last)}`;
      throw error;
    });
  }

  /** @throws with what the checker of invariant 2 found */
  async checkInvariants(): Promise<void> {
    const { violations } = await this.bus.request(checkInvariants, {});
    if (violations.length > 0) throw new Error(`invariants are broken:\n${violations.join('\n')}`);
  }

  private command(commandId: string | null) {
    return { commandId, commandHash: null, notify: SUBJECTS.notify(this.name, String(++this.calls)) };
  }
}

function contains(resource: ResourceRow, wanted: Partial<ResourceRow>): boolean {
  return Object.entries(wanted).every(([key, value]) => resource[key as keyof ResourceRow] === value);
}
