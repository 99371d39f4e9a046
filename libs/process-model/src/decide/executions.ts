import type { ProcessView, StepRecord, TransitionRecord } from '@drover/contracts';
import { formatId, PROCESS_EXECUTION_PREFIX, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import type { ExitReason } from './exit-reasons.js';
import { type Progress, unpackProgress } from './progress.js';

/** One attempt to advance a process instance, with its steps, as the API shows it. */
export interface ExecutionView {
  id: string;
  processInstanceId: string;
  processName: string;
  executionCount: number;
  startTime: number;
  /** null while it goes on */
  stopTime: number | null;
  exitReason: ExitReason | null;
  steps: StepRecord[];
  /** moves of the process so far; kept per instance, given with its last execution */
  transitions: TransitionRecord[];
}

export function executionsOf(view: ProcessView): ExecutionView[] {
  const progress = unpackProgress(view.progress);
  const executions = progress.executions.map((record) =>
    executionView(view, progress, { ...record, stop: record.stop as number | null }),
  );
  if (view.live) {
    const open = {
      n: view.executionCount,
      process: view.name,
      start: progress.executionStart,
      stop: null,
      exitReason: null,
    };
    executions.push(executionView(view, progress, open));
  }
  const last = executions.at(-1);
  if (last !== undefined) last.transitions = progress.transitions;
  return executions;
}

function executionView(
  view: ProcessView,
  progress: Progress,
  record: { n: number; process: string; start: number; stop: number | null; exitReason: ExitReason | null },
): ExecutionView {
  return {
    id: `${formatId(PROCESS_EXECUTION_PREFIX, view.id)}.${record.n}`,
    processInstanceId: formatId(PROCESS_INSTANCE_PREFIX, view.id),
    processName: record.process,
    executionCount: record.n,
    startTime: record.start === 0 ? view.startTime : record.start,
    // The engine's idea of the database's clock may be a little behind it.
    stopTime: record.stop === null || record.start !== 0 ? record.stop : Math.max(view.startTime, record.stop),
    exitReason: record.exitReason,
    steps: progress.steps
      .filter((step) => step.execution === record.n)
      .map((step) =>
        step.start === 0 ? { ...step, start: view.startTime, stop: Math.max(view.startTime, step.stop) } : step,
      ),
    transitions: [],
  };
}
