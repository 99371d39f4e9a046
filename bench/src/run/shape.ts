/** What both engines are measured with: one type, one process that can run again and again, one external handler. */

/** Name of the first external handler and of its queue group; more of them are `bench2`, `bench3` … */
export const HANDLER = 'bench';

/** Names of the handlers of a run, in the order they are called. */
export function handlerNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? HANDLER : `${HANDLER}${i + 1}`));
}

/** Every resource rests in `idle`; a run takes it to `running` and back. */
export const BENCH_TYPE = {
  apiVersion: 'drover/v1',
  kind: 'ResourceType',
  name: 'benchThing',
  fields: { result: { type: 'string' } },
  defaultProcesses: { exclude: ['activate', 'deactivate', 'update'] },
  processes: {
    create: { start: ['requested'], transitioning: 'creating', done: 'idle' },
    run: { start: ['idle'], transitioning: 'running', done: 'idle' },
    remove: { start: ['requested', 'creating', 'idle'], transitioning: 'removing', done: 'removed' },
  },
};

/** Of the ids of that type: resource 5 is `1bt5`. */
export const BENCH_PREFIX = 'bt';

/** Where a handler hears of a run, whichever engine asks. */
export const runEventSubject = (handler: string): string => `drover.process.benchThing.run.handle.${handler}`;

/** The handler answers here once it listens. */
export const HANDLER_READY = 'bench.handler.ready';

/** The limit engine's subjects: outside `drover.`, so that both can share a broker. */
export const LIMIT = { start: 'bench.limit.start', reply: 'bench.limit.reply', batches: 'bench.limit.batches' };
