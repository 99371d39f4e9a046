/** The external handler: an activity on a task queue of its own, in a worker that runs nothing else. */
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { answerTo, eventOf, serve } from '../lib/work.mjs';
import { pollers } from './pollers.mjs';

Runtime.install({ logger: new DefaultLogger('WARN') });
const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL });
const worker = await Worker.create({
  connection,
  namespace: 'bench',
  taskQueue: 'bench-handler',
  activities: { handle: async (process) => answerTo(eventOf(process)) },
  activityTaskPollerBehavior: pollers,
});
await serve(Number(process.env.BENCH_COUNTS_PORT));
const ended = worker.run();
console.log('ready');
process.once('SIGTERM', () => worker.shutdown());
await ended;
