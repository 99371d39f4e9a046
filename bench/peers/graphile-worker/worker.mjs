/** The worker is the external handler: Graphile Worker calls it through PostgreSQL, from a local queue of jobs. */
import { run, Logger } from 'graphile-worker';
import { ENDS } from '../lib/resources.mjs';
import { answerTo, eventOf, serve } from '../lib/work.mjs';

/** transitioning → done with the handler's answer, and the message to the client: one statement, one commit. */
const FINISH = {
  name: 'finish',
  text: `
    with moved as (
      update bench.resource set state = 'idle', revision = revision + 1, data = data || $2::jsonb
      where id = $1 and state = 'running' returning id
    )
    select pg_notify('${ENDS}', $3) from moved`,
};

const jobs = Number(process.env.BENCH_JOBS);
await run({
  preset: {
    worker: {
      connectionString: process.env.BENCH_DATABASE_URL,
      concurrentJobs: jobs,
      maxPoolSize: Number(process.env.BENCH_CONNECTIONS),
      // As in the configuration that its own performance figures come from.
      localQueue: { size: Number(process.env.BENCH_QUEUE) },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      logger: new Logger(() => (level, message) => {
        if (level === 'error' || level === 'warning') console.error(message);
      }),
    },
  },
  taskList: {
    run: async ({ call, resourceId, revision, data }, helpers) => {
      const answer = answerTo(eventOf({ key: `${helpers.job.id}`, resourceId, revision, data }));
      const { rowCount } = await helpers.query({
        ...FINISH,
        values: [resourceId, JSON.stringify(answer.data), call],
      });
      if (rowCount !== 1) throw new Error('StateChanged');
    },
  },
});
await serve(Number(process.env.BENCH_COUNTS_PORT));
console.log('ready');
