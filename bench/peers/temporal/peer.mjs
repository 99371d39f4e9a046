import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';

export const start = 'native';
export const variants = [{}];

/**
 * Shards of its history and connections as in the configuration for PostgreSQL that comes with the server. Pollers of each
 * worker; 0: the SDK changes their number with the load.
 */
export const settings = { shards: 4, connections: 20, pollers: 0 };

export async function up(kit, { shards, connections, pollers }) {
  const binaries = join(kit.root, 'temporal', 'bin');
  if (!existsSync(join(binaries, 'server'))) throw new Error('the server is not built');
  const postgres = await kit.postgres();
  const database = new URL(postgres.url);
  for (const name of ['temporal', 'temporal_visibility']) await schema(kit, join(binaries, 'sql'), database, name);

  const ports = await kit.ports(8);
  const configFile = join(kit.dir, 'temporal.yaml');
  await writeFile(configFile, JSON.stringify(configuration(database, ports, shards, connections), null, 2)); // JSON is YAML
  const server = kit.command('temporal-server', join(binaries, 'server'), [
    '--allow-no-auth',
    ...['--config-file', configFile, 'start'],
  ]);
  const address = `127.0.0.1:${ports[0]}`;
  await namespace(server, address);

  const env = { BENCH_TEMPORAL: address, BENCH_POLLERS: String(pollers) };
  const engine = kit.program('workflow-worker', 'temporal/engine.mjs', env);
  const [counts] = await kit.ports(1);
  const handler = kit.program('activity-worker', 'temporal/handler.mjs', { ...env, BENCH_COUNTS_PORT: String(counts) });
  await kit.printed(engine, 'ready');
  await kit.printed(handler, 'ready');
  return {
    pids: { postgres: [postgres.pid], server: [server.pid], engine: [engine.pid], handler: [handler.pid] },
    databaseUrl: postgres.url,
    countsUrl: `http://127.0.0.1:${counts}/counts`,
    versions: {
      engine: await kit.goVersion('temporal/server', 'go.temporal.io/server'),
      sdk: kit.version('@temporalio/worker'),
    },
    client: { address },
  };
}

/** Creates a database and its tables with the server's own tool. */
async function schema(kit, tool, database, name) {
  const connection = [
    ...['--plugin', 'postgres12', '--endpoint', database.hostname, '--port', database.port],
    ...['--user', database.username, '--password', database.password, '--database', name],
  ];
  const versioned = `postgresql/v12/${name === 'temporal' ? 'temporal' : 'visibility'}`;
  await kit.run(tool, [...connection, 'create-database', '--defaultdb', 'postgres']);
  await kit.run(tool, [...connection, 'setup-schema', '--version', '0.0']);
  await kit.run(tool, [...connection, 'update-schema', '--schema-name', versioned]);
}

/** The configuration for PostgreSQL that comes with the server, with our addresses and without what needs more of them. */
function configuration(database, ports, shards, connections) {
  const store = (databaseName, maxConns) => ({
    sql: {
      pluginName: 'postgres12',
      databaseName,
      connectAddr: database.host,
      connectProtocol: 'tcp',
      user: database.username,
      password: database.password,
      maxConns,
      maxIdleConns: maxConns,
      maxConnLifetime: '1h',
    },
  });
  const [frontend, ...rest] = ports;
  const rpc = (grpcPort, membershipPort) => ({ rpc: { grpcPort, membershipPort, bindOnLocalHost: true } });
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: shards,
      datastores: { default: store('temporal', connections), visibility: store('temporal_visibility', 2) },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: {
      frontend: rpc(frontend, rest[0]),
      matching: rpc(rest[1], rest[2]),
      history: rpc(rest[3], rest[4]),
      worker: rpc(rest[5], rest[6]),
    },
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress: `127.0.0.1:${frontend}` },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    archival: { history: { state: 'disabled' }, visibility: { state: 'disabled' } },
    namespaceDefaults: { archival: { history: { state: 'disabled' }, visibility: { state: 'disabled' } } },
  };
}

/** Registers the namespace once the server answers, and waits until it can be used. */
async function namespace(server, address) {
  for (const deadline = Date.now() + 60_000; ; await sleep(200)) {
    try {
      if (!server.running) throw new Error(`${server.name} ${await server.exited}`);
      const connection = await Connection.connect({ address, connectTimeout: '2s' });
      await connection.workflowService
        .registerNamespace({ namespace: 'bench', workflowExecutionRetentionPeriod: { seconds: 86_400 } })
        .catch((error) => {
          if (error.code !== 6) throw error; // already there
        });
      await connection.workflowService.describeTaskQueue({ namespace: 'bench', taskQueue: { name: 'bench' } });
      await connection.close();
      return;
    } catch (error) {
      if (!server.running || Date.now() > deadline) throw error;
    }
  }
}

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
