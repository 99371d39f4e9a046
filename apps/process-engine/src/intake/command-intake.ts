import { Injectable } from '@nestjs/common';
import {
  type CommandReply,
  createResource,
  type RequestContract,
  startProcess,
  updateResource,
} from '@drover/contracts';
import { ChurningMap, type ErrorBody } from '@drover/kernel';
import type { TypeDefinition, TypeRegistry } from '@drover/process-model';
import { EngineRegistry } from '../registry/engine-registry.js';
import { type Arrival, Intake } from './intake.js';

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
  private readonly underWay = new ChurningMap<string, Promise<Reply>>();

  constructor(
    private readonly intake: Intake,
    private readonly registry: EngineRegistry,
  ) {}

  create(request: RequestOf<typeof createResource>, work: Work): Promise<Reply> {
    return this.admit(createAsked(request), request, work);
  }

  update(request: RequestOf<typeof updateResource>, work: Work): Promise<Reply> {
    return this.admit(updateAsked(request), request, work);
  }

  start(request: RequestOf<typeof startProcess>, work: Work): Promise<Reply> {
    return this.admit(startAsked(request), request, work);
  }

  /** Why a request that just came is refused for load, before anything else is done with it; null: it is worked on. Never throws. */
  refusal(subject: string, request: unknown): ErrorBody | null {
    const asked = ASKED[subject]?.(request as never);
    if (asked === undefined) return null;
    const key = keyOf(asked.kind, request as Identified);
    return key !== null && this.underWay.has(key) ? null : this.intake.refusal(this.arrival(asked));
  }

  private admit(asked: Asked, request: Identified, work: Work): Promise<Reply> {
    const key = keyOf(asked.kind, request);
    const admitted = (): Promise<Reply> => this.intake.admit(this.arrival(asked), work);
    if (key === null) return admitted();
    const first = this.underWay.get(key);
    // Accepted without an answer: whoever asks again is told, as of any command that was applied.
    if (first !== undefined) return first.then((reply) => reply ?? admitted());
    const answer = admitted().finally(() => this.underWay.delete(key));
    this.underWay.set(key, answer);
    return answer;
  }

  private arrival({ account, priority }: Asked): Arrival {
    return { account, priority: () => priority(this.registry.mirror.snapshot.types) };
  }
}

function createAsked(request: RequestOf<typeof createResource>): Asked {
  return {
    kind: 'create',
    account: numberOf(request?.account ?? request?.accountId),
    priority: (types) => priorityOf(types.byName(nameOf(request?.type)), 'create'),
  };
}

function updateAsked(request: RequestOf<typeof updateResource>): Asked {
  return {
    kind: 'update',
    account: numberOf(request?.account),
    priority: (types) => priorityOf(types.byName(nameOf(request?.type)), 'update'),
  };
}

function startAsked(request: RequestOf<typeof startProcess>): Asked {
  return {
    kind: 'start',
    account: numberOf(request?.account),
    priority: (types) => {
      const process = types.process(nameOf(request?.process));
      return process === undefined ? 0 : priorityOf(types.byName(process.resourceType), process.verb);
    },
  };
}

/** By subject: what passes the intake. */
const ASKED: Readonly<Record<string, (request: never) => Asked>> = {
  [createResource.subject]: createAsked,
  [updateResource.subject]: updateAsked,
  [startProcess.subject]: startAsked,
};

type Identified = { commandId?: unknown; commandHash?: unknown } | undefined;

/** Its own id, with what was asked: whoever asks again asks the same. Null: it cannot be asked again. */
function keyOf(kind: Asked['kind'], request: Identified): string | null {
  return typeof request?.commandId === 'string' ? `${kind} ${request.commandId} ${String(request.commandHash)}` : null;
}

/** Null: of the product's own types. A handler can be registered whatever waits. */
function priorityOf(type: TypeDefinition | undefined, verb: string): number | null {
  return type?.system === true ? null : (type?.processes[verb]?.priority ?? 0);
}

function numberOf(account: unknown): number | null {
  return typeof account === 'number' && Number.isSafeInteger(account) ? account : null;
}

function nameOf(name: unknown): string {
  return typeof name === 'string' ? name : '';
}
