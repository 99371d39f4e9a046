import { Injectable } from '@nestjs/common';
import type { WorkRow } from '@drover/contracts';
import {
  attemptId,
  externalResource,
  type HandlerReply,
  readReply,
  splitStep,
  stepKey,
  type TypeDefinition,
  unpackProgress,
} from '@drover/process-model';
import { InProcessHandlers } from './in-process-handlers.js';

/** Runs the in-process handler of a step and reads its result like a reply. */
@Injectable()
export class Runner {
  constructor(private readonly handlers: InProcessHandlers) {}

  async run({ process, resource }: WorkRow, type: TypeDefinition, timeoutMillis: number): Promise<HandlerReply> {
    const progress = unpackProgress(process.progress);
    const [phase, name] = splitStep(progress.step ?? '');
    const handler = this.handlers.get(name);
    if (handler === undefined) return failed(`This engine has no in-process handler ${name}`);
    const timeout = AbortSignal.timeout(Math.max(1, timeoutMillis));
    try {
      const result = await handler.handle({
        id: attemptId(process.id, process.dispatch),
        key: stepKey(process.id, process.name, progress, progress.step!),
        process: process.name,
        phase: phase as 'pre' | 'handle' | 'post',
        attempt: progress.attempt,
        resource: externalResource(resource, type),
        data: process.data,
        signal: timeout,
      });
      const reply = readReply(JSON.parse(JSON.stringify(result ?? {})));
      return reply.kind === 'rejected' ? failed(reply.reason) : reply;
    } catch (error) {
      return failed(error instanceof Error ? error.message : String(error));
    }
  }
}

function failed(message: string): Extract<HandlerReply, { kind: 'failed' }> {
  return { kind: 'failed', error: { code: 'UNKNOWN_EXCEPTION', message, retryable: true } };
}
