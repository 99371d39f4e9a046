import { type ProcessEvent, SUBJECTS, type WorkRow } from '@drover/contracts';
import { formatId, type JsonObject, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import {
  type AttemptClocks,
  attemptId,
  externalResource,
  splitStep,
  stepKey,
  type TypeDefinition,
  unpackProgress,
} from '@drover/process-model';

/** The process event of the attempt under way, with its subject (protocol §3). */
export function processEventOf(
  { process, resource }: WorkRow,
  type: TypeDefinition,
  { timeoutMillis, heartbeatMillis }: AttemptClocks,
  now: number,
  related: JsonObject | null = null,
): { subject: string; event: ProcessEvent } {
  const progress = unpackProgress(process.progress);
  const step = progress.step ?? 'handle.-';
  const [phase, handler] = splitStep(step);
  const verb = process.name.slice(process.name.indexOf('.') + 1);
  const prefix = phase === 'handle' ? '' : `${phase}.`;
  return {
    subject: SUBJECTS.processEvent(resource.type, verb, phase, handler),
    event: {
      id: attemptId(process.id, process.dispatch),
      key: stepKey(process.id, process.name, progress, step),
      name: `${prefix}${process.name};handler=${handler}`,
      replyTo: SUBJECTS.reply(process.slot ?? 0, process.id, process.dispatch, process.token),
      time: now,
      timeoutMillis,
      ...(heartbeatMillis === null ? {} : { heartbeatMillis }),
      resourceType: resource.type,
      resourceId: formatId(type.idPrefix, resource.id),
      process: process.name,
      phase: phase as ProcessEvent['phase'],
      processId: formatId(PROCESS_INSTANCE_PREFIX, process.id),
      step: progress.plan.indexOf(step) + 1,
      attempt: progress.attempt,
      resource: externalResource(resource, type),
      data: process.data,
      ...(related === null ? {} : { related }),
      context: { resourceName: resource.name },
    },
  };
}
