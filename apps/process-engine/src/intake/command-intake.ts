import { Injectable } from '@nestjs/common';
import type { CommandReply, createResource, RequestContract, startProcess, updateResource } from '@drover/contracts';
import type { TypeDefinition, TypeRegistry } from '@drover/process-model';
import { EngineRegistry } from '../registry/engine-registry.js';
import { Intake } from './intake.js';

type RequestOf<C> = C extends RequestContract<infer Request, unknown> ? Request : never;
/** Null: accepted, and to be answered at its end. */
type Reply = CommandReply | null;
type Work = () => Promise<Reply>;

/** What a command is to the intake. */
interface Asked {
  kind: 'create' | 'update' | 'start';
  account: number | null;
  /** of its process; null: it never waits */
  priority: (types: TypeRegistry) => number | null;
}

/**
 * New commands on their way to the intake. Nothing of them has been checked yet.
 *
 * A caller whose time is up asks again with the same id, while his first request is still worked on. The repeat waits for that one's answer:
 * worked on by itself it would stand in line once more for the same resource, and where a line is slower than its callers' patience, their
 * repeats alone would keep it so.
 */
@Injectable()
export class CommandIntake {
  private readonly underWay = new Map<string, Promise<Reply>>();

  constructor(
    private readonly intake: Intake,
    private readonly registry: EngineRegistry,
  ) {}

  create(request: RequestOf<typeof createResource>, work: Work): Promise<Reply> {
    return this.admit(request, work, {
      kind: 'create',
      account: numberOf(request?.account ?? request?.accountId),
      priority: (types) => priorityOf(types.byName(String(request?.type)), 'create'),
    });
  }

  update(request: RequestOf<typeof updateResource>, work: Work): Promise<Reply> {
    return this.admit(request, work, {
      kind: 'update',
      account: numberOf(request?.account),
      priority: (types) => priorityOf(types.byName(String(request?.type)), 'update'),
    });
  }

  start(request: RequestOf<typeof startProcess>, work: Work): Promise<Reply> {
    return this.admit(request, work, {
      kind: 'start',
      account: numberOf(request?.account),
      priority: (types) => {
        const process = types.process(String(request?.process));
        return process === undefined ? 0 : priorityOf(types.byName(process.resourceType), process.verb);
      },
    });
  }

  private admit(request: Identified, work: Work, { kind, account, priority }: Asked): Promise<Reply> {
    const admitted = (): Promise<Reply> =>
      this.intake.admit({ account, priority: () => priority(this.registry.mirror.snapshot.types) }, work);
    if (typeof request?.commandId !== 'string') return admitted();
    // Its own id, with what was asked: whoever asks again asks the same.
    const key = `${kind} ${request.commandId} ${String(request.commandHash)}`;
    const first = this.underWay.get(key);
    // Accepted without an answer: whoever asks again is told, as of any command that was applied.
    if (first !== undefined) return first.then((reply) => reply ?? admitted());
    const answer = admitted().finally(() => this.underWay.delete(key));
    this.underWay.set(key, answer);
    return answer;
  }
}

type Identified = { commandId?: unknown; commandHash?: unknown } | undefined;

/** Null: of the product's own types. A handler can be registered whatever waits. */
function priorityOf(type: TypeDefinition | undefined, verb: string): number | null {
  return type?.system === true ? null : (type?.processes[verb]?.priority ?? 0);
}

function numberOf(account: unknown): number | null {
  return typeof account === 'number' && Number.isSafeInteger(account) ? account : null;
}
