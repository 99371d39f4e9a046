import { Injectable } from '@nestjs/common';
import type { CommandReply, createResource, RequestContract, startProcess, updateResource } from '@drover/contracts';
import type { TypeDefinition, TypeRegistry } from '@drover/process-model';
import { EngineRegistry } from '../registry/engine-registry.js';
import { Intake } from './intake.js';

type RequestOf<C> = C extends RequestContract<infer Request, unknown> ? Request : never;
type Work = () => Promise<CommandReply>;

/** What a command is to the intake: its account and the priority of its process. Nothing of it has been checked yet. */
@Injectable()
export class CommandIntake {
  constructor(
    private readonly intake: Intake,
    private readonly registry: EngineRegistry,
  ) {}

  create(request: RequestOf<typeof createResource>, work: Work): Promise<CommandReply> {
    const account = numberOf(request?.account ?? request?.accountId);
    return this.admit(account, (types) => verbOf(types.byName(String(request?.type)), 'create'), work);
  }

  update(request: RequestOf<typeof updateResource>, work: Work): Promise<CommandReply> {
    return this.admit(
      numberOf(request?.account),
      (types) => verbOf(types.byName(String(request?.type)), 'update'),
      work,
    );
  }

  start(request: RequestOf<typeof startProcess>, work: Work): Promise<CommandReply> {
    const of = (types: TypeRegistry): number | null => {
      const process = types.process(String(request?.process));
      return process === undefined ? 0 : verbOf(types.byName(process.resourceType), process.verb);
    };
    return this.admit(numberOf(request?.account), of, work);
  }

  private admit(
    account: number | null,
    priorityIn: (types: TypeRegistry) => number | null,
    work: Work,
  ): Promise<CommandReply> {
    const priority = (): number | null => priorityIn(this.registry.mirror.snapshot.types);
    return this.intake.admit({ account, priority }, work);
  }
}

/** Null: of the product's own types. A handler can be registered whatever waits. */
function verbOf(type: TypeDefinition | undefined, verb: string): number | null {
  return type?.system === true ? null : (type?.processes[verb]?.priority ?? 0);
}

function numberOf(account: unknown): number | null {
  return typeof account === 'number' && Number.isSafeInteger(account) ? account : null;
}
