/**
 * The application that holds the workflow: DBOS is a library, so the engine is this program and its PostgreSQL. A client
 * asks over HTTP and hears of the end in the answer.
 */
import { createServer } from 'node:http';
import { DBOS } from '@dbos-inc/dbos-sdk';
import pg from 'pg';
import { httpClient } from '../lib/http.mjs';
import { eventOf } from '../lib/work.mjs';

const databaseUrl = process.env.BENCH_DATABASE_URL;
const connections = Number(process.env.BENCH_CONNECTIONS);
const handler = httpClient(process.env.BENCH_HANDLER_URL, 64);
const resources = new pg.Pool({ connectionString: databaseUrl, max: connections });

/**
 * start → transitioning. A step runs again when the program dies before its record is written, so it may find its own
 * move done. A step with one statement rather than a transaction of a data source, whose packages are not of this version
 * of DBOS, and which would be five round trips instead of two.
 */
const BEGIN = {
  name: 'begin',
  text: `
    update bench.resource set state = 'running', revision = revision + case when state = 'idle' then 1 else 0 end,
      process = $2
    where id = $1 and (state = 'idle' or process = $2) returning revision::float8`,
};
/** transitioning → done; the second time, nothing: nobody else ends this process. */
const FINISH = {
  name: 'finish',
  text: `
    update bench.resource set state = 'idle', revision = revision + 1, data = data || $3::jsonb
    where id = $1 and state = 'running' and process = $2`,
};

async function begin(resourceId, process) {
  const { rows } = await resources.query({ ...BEGIN, values: [resourceId, process] });
  if (rows.length !== 1) throw new Error('ActionNotAvailable');
  return rows[0].revision;
}
async function finish(resourceId, process, data) {
  await resources.query({ ...FINISH, values: [resourceId, process, JSON.stringify(data)] });
}

const run = DBOS.registerWorkflow(
  async (resourceId, data) => {
    const key = DBOS.workflowID;
    const revision = await DBOS.runStep(() => begin(resourceId, key), { name: 'begin' });
    const answer = await DBOS.runStep(() => handler.post('/handle', eventOf({ key, resourceId, revision, data })), {
      name: 'handle',
      retriesAllowed: true,
    });
    await DBOS.runStep(() => finish(resourceId, key, answer.data), { name: 'finish' });
    return revision + 1;
  },
  { name: 'run' },
);

DBOS.setConfig({
  name: 'bench',
  applicationVersion: '1',
  systemDatabaseUrl: databaseUrl,
  systemDatabasePoolSize: connections,
  logLevel: 'warn',
});
await DBOS.launch();

const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    const { resourceId, data } = JSON.parse(body);
    const answer = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    run(resourceId, data).then(
      (revision) => answer(200, { revision }),
      (error) => answer(500, { error: error.message }),
    );
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.env.BENCH_APP_PORT), '127.0.0.1', () => console.log('ready'));
process.once('SIGTERM', () => process.exit(0));
