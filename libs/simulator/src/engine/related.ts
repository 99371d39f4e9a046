import type { WorkRow } from '@drover/contracts';
import { type ErrorCode, ERRORS, uuidOf } from '@drover/kernel';
import { type Effect, ownProcess, relatedNeed, type RelatedInput, type StepError } from '@drover/process-model';
import type { SimEngine } from './sim-engine.js';

const READ_MILLIS = 3_000;
/** Looks in a row; what is left then, a wake-up repeats. */
const MAX_TURNS = 100;

export type RelatedEffect = Extract<Effect, { kind: 'related' | 'startChildren' | 'cancelChildren' }>;
type Tried = Map<number, StepError | null>;

interface Look {
  next: { effect: RelatedEffect; work: WorkRow } | null;
}

/** Work on related resources (apps/process-engine/src/related), with callbacks in place of promises. */
export class Related {
  private readonly looks = new Map<number, Look>();

  constructor(private readonly engine: SimEngine) {}

  /** One look at a time for each process; whoever asks meanwhile is answered by the next one. */
  asked(effect: RelatedEffect, work: WorkRow): void {
    const { id } = work.process;
    const under = this.looks.get(id);
    if (under !== undefined) {
      under.next = { effect, work };
      return;
    }
    const look: Look = { next: { effect, work } };
    this.looks.set(id, look);
    this.turn(id, look, new Map(), 0);
  }

  private turn(id: number, look: Look, tried: Tried, turns: number): void {
    if (look.next === null || turns >= MAX_TURNS) return void this.looks.delete(id);
    const { effect, work } = look.next;
    look.next = null;
    const next = (): void => this.turn(id, look, tried, turns + 1);
    this.carryOut(effect, work, tried, () =>
      this.read(work, tried, (input) => {
        if (input === null) return next();
        this.engine.handle({ processId: id, input, known: work, worked: next });
      }),
    );
  }

  private read(work: WorkRow, tried: Tried, then: (input: RelatedInput | null) => void): void {
    const { process, resource } = work;
    const { engine } = this;
    engine.registry.aroundProcess(process, (around) => {
      const need = relatedNeed(process, resource, around);
      if (need === null) return then(null);
      const type = need.type === '' ? null : engine.link.typeAt(need.type, 0);
      const target = type === null ? null : ownProcess(type, need.process);
      const stateField = target?.stateField ?? 'state';
      engine.link.request(
        READ_MILLIS,
        () =>
          engine.link.store.readRelated(
            target === null ? null : need.relation,
            stateField,
            process.id,
            need.parentDispatches,
          ),
        (found) => {
          // Nothing was heard: a wake-up repeats it.
          if (found === null) return then(null);
          then({
            kind: 'related',
            dispatch: need.dispatch,
            version: process.version,
            target,
            idPrefix: type?.idPrefix ?? '',
            members: found.members,
            children: found.children,
            tooMany: false,
            tried,
          });
        },
      );
    });
  }

  private carryOut(effect: RelatedEffect, { process: { id } }: WorkRow, tried: Tried, then: () => void): void {
    const targets =
      effect.kind === 'startChildren' ? effect.resourceIds : effect.kind === 'cancelChildren' ? effect.processIds : [];
    let open = targets.length;
    if (open === 0) return then();
    const settle = (target: number, code: string | null): void => {
      const retryable = code !== null && (ERRORS[code as ErrorCode]?.retryable ?? false);
      tried.set(target, code === null ? null : { code, message: code, retryable });
      if (--open === 0) then();
    };
    for (const target of targets) {
      if (effect.kind === 'startChildren') {
        const { dispatch, process, onParentEnd } = effect;
        const { resourceType: type, verb } = this.engine.link.processNamed(process);
        const commandId = uuidOf(`child ${id} ${dispatch} ${target} ${process}`);
        const parent = { id, dispatch, onParentEnd };
        this.engine.commands.carryOut(
          { kind: 'start', commandId, type, verb, resourceId: target, data: {}, parent },
          this.engine.link.token(),
          (answer) => settle(target, answer.kind === 'refused' ? answer.code : null),
        );
      } else {
        this.engine.handle({
          processId: target,
          input: { kind: 'operate', action: 'cancel', state: null, operator: `parent process ${id}` },
          worked: (worked) => settle(target, worked === 'failed' ? 'ActionNotAvailable' : null),
        });
      }
    }
  }
}
