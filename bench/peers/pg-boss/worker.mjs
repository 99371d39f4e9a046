/** The worker is the external handler: pg-boss calls it through PostgreSQL, with batches of jobs. */
import { PgBoss } from 'pg-boss';
import pg from 'pg';
import { BEGIN_MANY, FINISH_MANY } from '../lib/resources.mjs';
import { answerTo, eventOf, serve } from '../lib/work.mjs';

const connectionString = process.env.BENCH_DATABASE_URL;
const boss = new PgBoss({ connectionString, max: Number(process.env.BENCH_CONNECTIONS), useListenNotify: true });
boss.on('error', (error) => console.error(error));
await boss.start();
// `partition`: a table of its own for a queue that is busy. `notify`: a job wakes the workers, polling is the fallback.
await boss.createQueue('run', { partition: true, notify: true });

const resources = new pg.Pool({ connectionString, max: Number(process.env.BENCH_WORKERS) });
const options = {
  localConcurrency: Number(process.env.BENCH_WORKERS),
  batchSize: Number(process.env.BENCH_BATCH),
  burstWhenBatchFull: true,
  transactional: true,
};
await boss.work('run', options, async (jobs, transaction) => {
  const { rows } = await resources.query(BEGIN_MANY, [jobs.map((job) => job.data.resourceId)]);
  if (rows.length !== jobs.length) throw new Error('ActionNotAvailable');
  const revisions = new Map(rows.map((row) => [row.id, row.revision]));
  const answers = jobs.map(({ id, data: { resourceId, data } }) =>
    answerTo(eventOf({ key: id, resourceId, revision: revisions.get(resourceId), data })),
  );
  // Move, message and the completion of the jobs are one commit: a client hears of nothing that is not on disk.
  await transaction.executeSql(FINISH_MANY, [
    jobs.map((job) => job.data.resourceId),
    JSON.stringify(answers.map((answer) => answer.data)),
    jobs.map((job) => job.data.call).join(),
  ]);
  return answers.length === 1 ? answers[0] : { answers };
});
await serve(Number(process.env.BENCH_COUNTS_PORT));
console.log('ready');
process.once('SIGTERM', () => process.exit(0));
