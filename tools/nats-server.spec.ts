import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NATS_VERSION, resolveNatsServer } from './lib/nats-server.mjs';

/** Every remote end is a stand-in: a local HTTP server, and programs on a PATH that holds nothing else. */
let folder: string;
let servers: Server[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-resolver-'));
  mkdirSync(join(folder, 'bin'));
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

const cache = (): string => join(folder, 'cache');
const cached = (): string[] => (existsSync(cache()) ? readdirSync(cache()).sort() : []);
const program = (version: string): string => `#!/bin/sh\necho "nats-server: v${version}"\n`;

function put(file: string, content: string): string {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, 0o755);
  return file;
}

const onPath = (name: string, script: string): string => put(join(folder, 'bin', name), script);

function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return {
    PATH: join(folder, 'bin'),
    DROVER_CACHE_DIR: cache(),
    DROVER_NATS_RELEASE_URL: 'http://127.0.0.1:1',
    ...more,
  };
}

async function releaseSite(listener: RequestListener): Promise<Record<string, string>> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { DROVER_NATS_RELEASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A tar archive of one file, as the release has it: header block, content, padding. */
function tarball(version: string): Buffer {
  const content = Buffer.from(program(version));
  const header = Buffer.alloc(512);
  header.write(`nats-server-v${version}-any/nats-server`);
  header.write(content.length.toString(8).padStart(11, '0'), 124);
  const padding = Buffer.alloc(512 - (content.length % 512) + 1024);
  return gzipSync(Buffer.concat([header, content, padding]));
}

/** Serves `nats-server-v<version>-*.tar.gz` and, unless told otherwise, its true SHA256SUMS. */
function release(version: string, sum?: string): RequestListener {
  const archive = tarball(version);
  const names = ['linux-amd64', 'linux-arm64', 'darwin-amd64', 'darwin-arm64'].map(
    (at) => `nats-server-v${version}-${at}.tar.gz`,
  );
  const sums = names.map((name) => `${sum ?? createHash('sha256').update(archive).digest('hex')}  ${name}`).join('\n');
  return (request, response) => {
    if (request.url === `/v${version}/SHA256SUMS`) response.end(sums);
    else if (names.some((name) => request.url === `/v${version}/${name}`)) response.end(archive);
    else response.writeHead(404).end();
  };
}

const goThatBuilds = (version: string): string =>
  `#!/bin/sh\ncase "$1" in list) echo ok;; install) printf '#!/bin/sh\\necho nats-server: v${version}\\n' > "$GOBIN/nats-server"; /bin/chmod 755 "$GOBIN/nats-server";; esac\n`;

const aptGet = (refusesFirst: boolean): string => `#!/bin/sh
case "$*" in
  *update) /usr/bin/touch updated ;;
  *) if ${refusesFirst} && [ ! -e updated ]; then echo 'E: Unable to locate package nats-server' >&2; exit 100; fi
     echo package > nats-server_2.9.10.deb ;;
esac
`;

const dpkg = `#!/bin/sh
/bin/mkdir -p "$3/usr/sbin"
printf '#!/bin/sh\\necho nats-server: v2.9.10\\n' > "$3/usr/sbin/nats-server"
/bin/chmod 755 "$3/usr/sbin/nats-server"
`;

async function failureOf(env: NodeJS.ProcessEnv, version?: string): Promise<string> {
  const error = await resolveNatsServer({ env, ...(version ? { version } : {}) }).catch((reason: Error) => reason);
  return error instanceof Error ? error.message : `found ${JSON.stringify(error)}`;
}

describe('where nats-server comes from', () => {
  it('DROVER_NATS_URL comes before everything, and nothing is started', async () => {
    onPath('nats-server', program('2.14.1'));
    const env = environment({ DROVER_NATS_URL: 'nats://elsewhere:4222' });
    expect(await resolveNatsServer({ env })).toEqual({ url: 'nats://elsewhere:4222', source: 'DROVER_NATS_URL' });
  });

  it('then the one on PATH', async () => {
    const path = onPath('nats-server', program('2.10.7'));
    expect(await resolveNatsServer({ env: environment() })).toEqual({ path, version: '2.10.7', source: 'PATH' });
  });

  it('one on PATH that is too old, or not the series asked for, is passed over', async () => {
    onPath('nats-server', program('2.8.4'));
    onPath('go', goThatBuilds(NATS_VERSION));
    expect(await resolveNatsServer({ env: environment() })).toMatchObject({
      version: NATS_VERSION,
      source: 'go install',
    });
    put(join(cache(), 'nats-server-2.9.10'), program('2.9.10'));
    expect(await resolveNatsServer({ env: environment(), version: '2.9' })).toMatchObject({
      version: '2.9.10',
      source: 'cache',
    });
  });

  it('then the cached copy; an old one fetched for a test does not become the default', async () => {
    put(join(cache(), 'nats-server-2.9.10'), program('2.9.10'));
    expect(await failureOf(environment())).toContain('No nats-server could be found');
    put(join(cache(), `nats-server-${NATS_VERSION}`), program(NATS_VERSION));
    expect(await resolveNatsServer({ env: environment() })).toMatchObject({ version: NATS_VERSION, source: 'cache' });
  });

  it("then the release, checked against the release's own sums where none is pinned, and kept in the cache", async () => {
    const site = await releaseSite(release('2.14.9'));
    expect(await resolveNatsServer({ env: environment(site), version: '2.14.9' })).toMatchObject({ source: 'release' });
    expect(cached()).toEqual(['nats-server-2.14.9']);
    expect(await resolveNatsServer({ env: environment(), version: '2.14.9' })).toMatchObject({ source: 'cache' });
  });

  it('a release that does not have its sum is refused and leaves nothing behind', async () => {
    const site = await releaseSite(release('2.14.9', '0'.repeat(64)));
    expect(await failureOf(environment(site), '2.14.9')).toMatch(/does not have the expected SHA-256/);
    expect(cached()).toEqual([]);
  });

  it.runIf(process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch))(
    'a pinned sum wins over what the release site says of itself',
    async () => {
      const site = await releaseSite(release(NATS_VERSION));
      expect(await failureOf(environment(site))).toMatch(/does not have the expected SHA-256/);
    },
  );

  it('a download that breaks off leaves nothing behind', async () => {
    const whole = release('2.14.9');
    const site = await releaseSite((request, response) => {
      if (request.url?.endsWith('SHA256SUMS')) return whole(request, response);
      response.writeHead(200, { 'content-length': 100_000 });
      response.write('the beginning', () => response.destroy());
    });
    expect(await failureOf(environment(site), '2.14.9')).toContain('release: http://127.0.0.1');
    expect(cached()).toEqual([]);
  });

  it('an unreachable release costs no more than seconds and one line; then Go builds it', async () => {
    onPath('go', goThatBuilds(NATS_VERSION));
    const said: string[] = [];
    const begun = Date.now();
    const found = await resolveNatsServer({ env: environment(), say: (line) => said.push(line) });
    expect(found).toMatchObject({ path: join(cache(), `nats-server-${NATS_VERSION}`), source: 'go install' });
    expect(Date.now() - begun).toBeLessThan(6_000);
    expect(said.filter((line) => line.startsWith('nats-server by release: '))).toHaveLength(1);
    expect(said.join()).not.toContain('\n');
  });

  it('a site that accepts and never answers is given up', async () => {
    const site = await releaseSite(() => {});
    expect(await failureOf(environment(site))).toContain('no answer within 5 s');
  }, 15_000);

  it('then the Debian package, unpacked into the cache; the next start finds it there', async () => {
    onPath('apt-get', aptGet(false));
    onPath('dpkg', dpkg);
    expect(await resolveNatsServer({ env: environment() })).toMatchObject({
      version: '2.9.10',
      source: 'Debian package',
    });
    expect(cached()).toEqual(['nats-server-2.9.10', 'nats-server.default']);
    expect(await resolveNatsServer({ env: environment() })).toMatchObject({ version: '2.9.10', source: 'cache' });
  });

  it('a machine without package lists gets lists of our own', async () => {
    onPath('apt-get', aptGet(true));
    onPath('dpkg', dpkg);
    expect(await resolveNatsServer({ env: environment() })).toMatchObject({ source: 'Debian package' });
  });

  it('when nothing works the error names every route and what to do', async () => {
    const message = await failureOf(environment());
    for (const part of ['release:', 'go install: Go is not on PATH', 'Debian package:', 'DROVER_NATS_URL']) {
      expect(message).toContain(part);
    }
  });
});
