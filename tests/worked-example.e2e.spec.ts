import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startStack, type Stack, waitFor } from '@drover/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

const DRIVER = fileURLToPath(new URL('../examples/handlers/typescript/dist/main.js', import.meta.url));

interface Resource {
  id: string;
  type: string;
  state: string;
  transitioning: string;
  transitioningMessage: string | null;
  links: Record<string, string>;
  [field: string]: unknown;
}

let stack: Stack;
let folder: string;
let driver: ChildProcess;

/** The container driver that `npm start` starts; back after a kill, it registers again. */
async function startDriver(): Promise<void> {
  driver = spawn(process.execPath, [DRIVER], {
    env: { ...process.env, DROVER_NATS_URL: stack.natsUrl, DROVER_CONTAINERS_DIR: folder },
  });
  let output = '';
  for (const stream of [driver.stdout!, driver.stderr!]) stream.on('data', (text: Buffer) => (output += String(text)));
  await waitFor(() => output.includes('is registered'), { what: `the driver: ${output}` });
}

async function killDriver(): Promise<void> {
  driver.kill('SIGKILL');
  await once(driver, 'exit');
}

beforeAll(async () => {
  stack = await startStack();
  folder = await mkdtemp(join(tmpdir(), 'drover-example-'));
  await startDriver();
});
afterAll(async () => {
  driver.kill('SIGKILL');
  await stack[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function call<T = Resource>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(path.startsWith('http') ? path : `${stack.url}/v1/${path}`, {
    method,
    headers: { 'content-type': 'application/json', prefer: 'wait=20' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
}

/** Creates a resource and, where its type has the process, activates it. */
async function make(plural: string, body: object, activate = false): Promise<Resource> {
  const { id } = await call('POST', plural, body);
  return activate ? call('POST', `${plural}/${id}?action=activate`) : call('GET', `${plural}/${id}`);
}

const state = async (plural: string, { id }: Resource): Promise<string> => (await call('GET', `${plural}/${id}`)).state;

it('hosts, storage pools, volumes, networks, nics, addresses and an instance: started, stopped, killed, removed in order', async () => {
  const host = await make('hosts', { name: 'host-1' }, true);
  const pool = await make('storagePools', { hostId: host.id }, true);
  const network = await make('networks', { subnet: '10.42.0.0/16' }, true);
  const instance = await make('instances', { imageUuid: 'docker:nginx', hostId: host.id });
  expect(instance.state).toBe('stopped');
  const volumes = [
    await make('volumes', { storagePoolId: pool.id, instanceId: instance.id, sizeMb: 10 }),
    await make('volumes', { storagePoolId: pool.id, instanceId: instance.id, sizeMb: 20 }),
  ];
  const nic = await make('nics', { instanceId: instance.id, networkId: network.id });
  const address = await make('ipAddresses', { nicId: nic.id, networkId: network.id, address: '10.42.0.7' }, true);

  // Starting it activates its volumes, its nic and, by way of the nic, the address; then the driver makes the container.
  const started = await call('POST', `instances/${instance.id}?action=start`);
  expect(started).toMatchObject({ state: 'running', containerId: `demo-${instance.id}` });
  expect(await Promise.all(volumes.map((volume) => state('volumes', volume)))).toEqual(['active', 'active']);
  expect([await state('nics', nic), await state('ipAddresses', address)]).toEqual(['active', 'associated']);

  // Relationships are links, and children know their parent.
  const linked = await call<{ data: Resource[] }>('GET', started.links['volumes']!);
  expect(linked.data.map(({ id }) => id)).toEqual(volumes.map(({ id }) => id));
  expect(await call('GET', started.links['host']!)).toMatchObject({ id: host.id });
  const parent = await call<Resource & { links: { children: string } }>('GET', started.links['processInstance']!);
  const children = await call<{ data: Resource[] }>('GET', parent.links.children);
  expect(children.data.map((child) => child['processName']).sort()).toEqual([
    'nic.activate',
    'volume.activate',
    'volume.activate',
  ]);
  expect(children.data[0]).toMatchObject({ parentId: parent.id, links: { parent: parent.links['self'] } });
  const { related, include } = await call('GET', 'processdefinitions/1pd!instance.start');
  expect([related, include]).toMatchObject([
    [{ forEach: 'volumes', process: 'volume.activate' }, {}],
    expect.any(Array),
  ]);

  // A host with instances stays.
  await call('POST', `hosts/${host.id}?action=deactivate`);
  const refused = await call('DELETE', `hosts/${host.id}`);
  expect(refused).toMatchObject({
    status: 422,
    code: 'ActionNotAvailable',
    message: `host.remove is refused while instances is not empty: ${instance.id} (running)`,
  });

  // Stopping unwinds behind the driver. The driver is killed in the middle, and its return finishes the work.
  await killDriver();
  const stopping = fetch(`${stack.url}/v1/instances/${instance.id}?action=stop`, { method: 'POST' });
  await stopping;
  await waitFor(
    async () => (await call('GET', `instances/${instance.id}`)).transitioningMessage === 'waiting for handler demo',
    { what: 'the instance to wait for its driver' },
  );
  expect(await state('volumes', volumes[0]!)).toBe('active');
  await startDriver();
  await waitFor(async () => (await state('instances', instance)) === 'stopped', { what: 'the instance to be stopped' });
  expect(await Promise.all(volumes.map((volume) => state('volumes', volume)))).toEqual(['detached', 'detached']);
  expect([await state('nics', nic), await state('ipAddresses', address)]).toEqual(['inactive', 'active']);

  // Again, killed while it starts.
  await killDriver();
  await fetch(`${stack.url}/v1/instances/${instance.id}?action=start`, { method: 'POST' });
  await waitFor(async () => (await state('volumes', volumes[1]!)) === 'active', { what: 'the volumes to be active' });
  await startDriver();
  await waitFor(async () => (await state('instances', instance)) === 'running', { what: 'the instance to run' });
  await call('POST', `instances/${instance.id}?action=stop`);

  // Removing it takes the nic along; the volumes outlive it. Then the host may go, once its pool is free.
  expect((await call('DELETE', `instances/${instance.id}`)).state).toBe('removed');
  expect(await state('nics', nic)).toBe('removed');
  expect(await state('volumes', volumes[0]!)).toBe('detached');
  for (const volume of volumes) expect((await call('DELETE', `volumes/${volume.id}`)).state).toBe('removed');
  expect((await call('DELETE', `hosts/${host.id}`)).state).toBe('removed');
  expect(await state('storagePools', pool)).toBe('removed');
});

it('the commands of the page that tells it work as they stand there', async () => {
  const page = await readFile(new URL('../docs/worked-example.md', import.meta.url), 'utf8');
  const script = [...page.matchAll(/```bash\n(.*?)```/gs)]
    .map(([, block]) => block!)
    .join('\n')
    .replaceAll('http://localhost:8080', stack.url)
    .replaceAll('nats://127.0.0.1:4222', stack.natsUrl);
  const shell = spawn('bash', ['-c', script], { cwd: fileURLToPath(new URL('..', import.meta.url)) });
  let output = '';
  // The shell tells on its other stream that a program was killed.
  shell.stdout.on('data', (text: Buffer) => (output += String(text)));
  await once(shell, 'close');
  const lines = output
    .trim()
    .replaceAll(/\b1[a-z]+\d+\b/g, 'ID')
    .split('\n');
  expect(lines).toEqual([
    ...['active', 'active', 'active', 'instances/ID is stopped', 'volume'],
    ...['running', 'volumes/ID is active', 'nics/ID is active', 'ipaddresses/ID is associated'],
    ...['inactive', 'host.remove is refused while instances is not empty: ID (running)'],
    ...['instances/ID is stopping', 'volumes/ID is active'],
    ...['volumes/ID is detached', 'nics/ID is inactive', 'ipaddresses/ID is active', 'inactive'],
    ...['removed', 'nics/ID is removed', 'volumes/ID is detached', 'removed', 'removed', 'storagepools/ID is removed'],
  ]);
});
