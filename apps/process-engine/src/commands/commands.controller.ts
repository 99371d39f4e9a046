import { Controller } from '@nestjs/common';
import {
  type BuiltinHandler,
  type CommandReply,
  createResource,
  listBuiltinHandlers,
  operateProcess,
  startProcess,
  updateResource,
} from '@drover/contracts';
import { ContractHandler, UNANSWERED } from '@drover/messaging';
import { InProcessHandlers } from '../in-process/in-process-handlers.js';
import { CommandIntake } from '../intake/command-intake.js';
import { Commands } from './commands.js';

type Answer = CommandReply | typeof UNANSWERED;

const answerOf = (reply: CommandReply | null): Answer => reply ?? UNANSWERED;

/** The engine's requests, one line each. New work passes the intake; operators' acts do not. */
@Controller()
export class CommandsController {
  constructor(
    private readonly commands: Commands,
    private readonly intake: CommandIntake,
    private readonly inProcess: InProcessHandlers,
  ) {}

  @ContractHandler(createResource)
  create(request: Parameters<Commands['create']>[0]): Promise<Answer> {
    return this.intake.create(request, () => this.commands.create(request)).then(answerOf);
  }

  @ContractHandler(updateResource)
  update(request: Parameters<Commands['update']>[0]): Promise<Answer> {
    return this.intake.update(request, () => this.commands.update(request)).then(answerOf);
  }

  @ContractHandler(startProcess)
  start(request: Parameters<Commands['start']>[0]): Promise<Answer> {
    return this.intake.start(request, () => this.commands.start(request)).then(answerOf);
  }

  @ContractHandler(operateProcess)
  operate(request: Parameters<Commands['operate']>[0]): Promise<CommandReply> {
    return this.commands.operate(request);
  }

  @ContractHandler(listBuiltinHandlers)
  builtin(): { handlers: BuiltinHandler[] } {
    return {
      handlers: this.inProcess.bindings.map((binding) => ({
        name: binding.name,
        priority: binding.priority,
        processes: binding.processes.map(({ phase, glob }) => ({ phase, glob })),
        retries: binding.retries,
        timeoutMillis: binding.timeoutMillis,
        heartbeatMillis: binding.heartbeatMillis ?? null,
        totalMillis: binding.totalMillis ?? null,
        retry: binding.retry ?? null,
        limits: binding.limits,
      })),
    };
  }
}
