/** The worker that advances workflows. It is the engine's part here, beside the server. */
import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { pollers } from './pollers.mjs';

Runtime.install({ logger: new DefaultLogger('WARN') });
const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL });
const worker = await Worker.create({
  connection,
  namespace: 'bench',
  taskQueue: 'bench',
  workflowsPath: fileURLToPath(new URL('workflows.mjs', import.meta.url)),
  workflowTaskPollerBehavior: pollers,
});
const ended = worker.run();
console.log('ready');
process.once('SIGTERM', () => worker.shutdown());
await ended;
