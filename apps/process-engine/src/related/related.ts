import { Injectable } from '@nestjs/common';
import { readRelated, type WorkRow } from '@drover/contracts';
import { DroverError, ERRORS, formatId, PROCESS_INSTANCE_PREFIX, uuidOf } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import {
  type Effect,
  MAX_MEMBERS,
  ownProcess,
  type RelatedChild,
  type RelatedInput,
  type RelatedMember,
  relatedNeed,
  type RelatedNeed,
  type StepError,
  type TypeDefinition,
} from '@drover/process-model';
import { Commands } from '../commands/commands.js';
import { Effects, type RelatedEffect } from '../lifecycle/effects.js';
import { Lifecycle } from '../lifecycle/lifecycle.js';
import { Log } from '../log.js';
import { EngineRegistry } from '../registry/engine-registry.js';

/** Reads and decisions in a row for one process; then its wake-up goes on. */
const MAX_TURNS = 100;

type Tried = Map<number, StepError | null>;

/** What a process's children are to be looked at for; `next` is what the last decision asked for, or somebody meanwhile. */
interface Look {
  next: { effect: RelatedEffect; work: WorkRow } | null;
}

/**
 * Work on related resources: reads what the decision core asks for, and carries out what it decides. Holds nothing that matters: a
 * child is started with a command id made of its parent, the dispatch and the resource, so that a repeat starts nothing twice.
 */
@Injectable()
export class Related {
  private readonly looks = new Map<number, Look>();

  constructor(
    private readonly bus: MessageBus,
    private readonly registry: EngineRegistry,
    private readonly commands: Commands,
    private readonly lifecycle: Lifecycle,
    private readonly log: Log,
    effects: Effects,
  ) {
    effects.attachRelated((effect, work) => this.asked(effect, work));
  }

  /** One look at a time for each process; whoever asks meanwhile is answered by the next one. */
  private asked(effect: RelatedEffect, work: WorkRow): void {
    const { id } = work.process;
    const under = this.looks.get(id);
    if (under !== undefined) {
      under.next = { effect, work };
      return;
    }
    const look: Look = { next: { effect, work } };
    this.looks.set(id, look);
    this.run(look)
      .catch((err: unknown) =>
        this.log.error({ err, processId: id }, 'related resources could not be looked at; the wake-up repeats it'),
      )
      .finally(() => this.looks.delete(id));
  }

  private async run(look: Look): Promise<void> {
    const tried: Tried = new Map();
    for (let turns = 0; look.next !== null && turns < MAX_TURNS; turns++) {
      const { effect, work } = look.next;
      look.next = null;
      if (effect.kind === 'startChildren') await this.startChildren(effect, work, tried);
      if (effect.kind === 'cancelChildren') await this.cancelChildren(effect, work, tried);
      const input = await this.read(work, tried);
      if (input !== null) await this.lifecycle.handle(work.process.id, input, null, work);
    }
  }

  private async read(work: WorkRow, tried: Tried): Promise<RelatedInput | null> {
    const { process, resource } = work;
    const need = relatedNeed(process, resource, await this.registry.aroundProcess(process));
    if (need === null) return null;
    const type = need.type === '' ? undefined : await this.typeOf(need);
    const target = type === undefined ? null : ownProcess(type, need.process);
    const members: RelatedMember[] = [];
    const children: RelatedChild[] = [];
    let more = true;
    while (more && members.length <= MAX_MEMBERS) {
      const page = await this.bus.request(readRelated, {
        relation: target === null ? null : need.relation,
        stateField: target?.stateField ?? 'state',
        afterMember: members.at(-1)?.id ?? 0,
        parentId: process.id,
        parentDispatches: need.parentDispatches,
        afterChild: children.at(-1)?.id ?? 0,
      });
      for (const { id, state, live } of page.members)
        members.push({ id, state: state ?? type?.stateFields[target!.stateField]?.initial ?? '', live });
      children.push(...page.children);
      more = page.moreMembers || page.moreChildren;
    }
    return {
      kind: 'related',
      dispatch: need.dispatch,
      version: process.version,
      target,
      idPrefix: type?.idPrefix ?? '',
      members,
      children,
      tooMany: members.length > MAX_MEMBERS,
      tried,
    };
  }

  /** The related type where it has the process; undefined: neither of the two was declared so far. */
  private typeOf({ type: name, process }: RelatedNeed): Promise<TypeDefinition | undefined> {
    return this.registry.mirror.find(({ types }) => {
      const type = types.byName(name);
      return type === undefined || ownProcess(type, process) === null ? undefined : type;
    });
  }

  private async startChildren(
    { process, resourceIds, dispatch, onParentEnd }: Extract<Effect, { kind: 'startChildren' }>,
    { process: { id } }: WorkRow,
    tried: Tried,
  ): Promise<void> {
    await Promise.all(
      resourceIds.map(async (resourceId) => {
        const commandId = uuidOf(`child ${id} ${dispatch} ${resourceId} ${process}`);
        const start = this.commands.startChild({
          process,
          resourceId,
          commandId,
          parent: { id, dispatch, onParentEnd },
        });
        tried.set(resourceId, await outcomeOf(start));
      }),
    );
  }

  private async cancelChildren(
    { processIds }: Extract<Effect, { kind: 'cancelChildren' }>,
    { process }: WorkRow,
    tried: Tried,
  ): Promise<void> {
    const operator = `parent process ${formatId(PROCESS_INSTANCE_PREFIX, process.id)}`;
    await Promise.all(
      processIds.map(async (id) => {
        const cancel = this.lifecycle.handle(id, { kind: 'operate', action: 'cancel', state: null, operator });
        tried.set(id, await outcomeOf(cancel));
      }),
    );
  }
}

/** Null: accepted. What went wrong otherwise is known by its code, so that the decision can tell what may go better later. */
async function outcomeOf(work: Promise<unknown>): Promise<StepError | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (!(error instanceof DroverError)) throw error;
    return { code: error.code, message: error.message, retryable: ERRORS[error.code].retryable };
  }
}
