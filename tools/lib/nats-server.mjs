/**
 * Finds a nats-server, or gets one, without touching the system: the first of these routes that works.
 *   1. DROVER_NATS_URL       a server that runs already; none is started
 *   2. PATH                  a nats-server of a version we work with
 *   3. the cache             what an earlier run fetched
 *   4. the official release  checked against a pinned sum
 *   5. go install            when Go is present
 *   6. the Debian package    unpacked into the cache
 * Only Node's own modules, since `npm start` uses it before anything is installed.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir, publishExecutable, readIfPresent, withScratch, writeWhole } from './cache.mjs';
import { download, fileFromTarball, sha256, sumFor } from './download.mjs';
import { run, which } from './run.mjs';

/** What is fetched when nothing suitable is there. The same version by release and by Go. */
export const NATS_VERSION = '2.14.1';
/** Older servers lack what the messaging library relies on (docs/adr). */
export const NATS_MIN_VERSION = '2.9.0';

const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';
const MODULE = 'github.com/nats-io/nats-server/v2';

/**
 * SHA-256 of `nats-server-v<version>-<platform>.tar.gz`, from the manifests of the official Docker image
 * (nats-io/nats-docker, 2.14.x/alpine3.22/Dockerfile). That image is Linux only: for other platforms the release's own
 * SHA256SUMS is fetched with it, which guards against a broken download but not against a changed release.
 */
const SUMS = {
  '2.14.1': {
    'linux-amd64': '4638c389af67d4c747f5b3e6a9d363bfe8f6b86de37d7c4ee3a36b283a5c2ce2',
    'linux-arm64': '0bdd20ad850e66a484dcb126f6ce610079520b56d9e8518d099e0864ab8171a1',
    'linux-arm7': '15c7a984f586891bd573cf8bfa28aa453786dd7e42fa0315b2c7a85c2bdfef47',
    'linux-386': '851034aefaa2540951e9c6c86d144a407478da27e941f0c662f419ae1993c472',
    'linux-s390x': 'fefbeff1d6e259dfbb0a4514501a369d8c57e9d856fcc392c4da3c242162ee35',
    'linux-ppc64le': '784c75d2c0430ff0dada016f36bc0ef8fef56e2117df8170eb33a37c65f81365',
  },
};

/** Debian stable ships the oldest version we support, which makes it the cheapest way to exactly that one. */
const SERIES = {
  2.9: { version: '2.9.10', routes: ['PATH', 'cache', 'Debian package', 'release', 'go install'] },
};
const CURRENT = { version: NATS_VERSION, routes: ['PATH', 'cache', 'release', 'go install', 'Debian package'] };

/**
 * @param {object} [options]
 * @param {string} [options.version] a series such as `2.9`, or an exact version; then DROVER_NATS_URL is not looked at
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {(line: string) => void} [options.say] one line per route that was tried and failed, and before a slow one
 * @returns {Promise<{url?: string, path?: string, version?: string, source: string}>} `url` or `path`
 * @throws Error that lists what was tried and says what to do
 */
export async function resolveNatsServer({ version, env = process.env, say = () => {} } = {}) {
  if (!version && env.DROVER_NATS_URL) return { url: env.DROVER_NATS_URL, source: 'DROVER_NATS_URL' };
  const plan = planFor(version);
  const context = {
    env,
    say,
    cache: cacheDir(env),
    wanted: version,
    exact: plan.version,
    sums: SUMS[plan.version] ?? {},
  };
  const failures = [];
  for (const route of plan.routes) {
    try {
      const found = await ROUTES[route](context);
      if (!found) continue;
      if (!version && route !== 'PATH') await writeWhole(join(context.cache, 'nats-server.default'), found.version);
      return { ...found, source: route };
    } catch (error) {
      failures.push(`${route}: ${error.message}`);
      say(`nats-server by ${failures.at(-1)}`);
    }
  }
  throw new Error(helpText(version, failures));
}

function planFor(version) {
  if (!version) return CURRENT;
  const series = Object.keys(SERIES).find((key) => version === key || version.startsWith(`${key}.`));
  const plan = series ? SERIES[series] : CURRENT;
  return version.split('.').length > 2 ? { ...plan, version } : plan;
}

const ROUTES = {
  PATH: fromPath,
  cache: fromCache,
  release: fromRelease,
  'go install': fromGo,
  'Debian package': fromDebian,
};

async function fromPath({ env, wanted }) {
  const path = await which('nats-server', env);
  if (!path) return undefined;
  const version = await versionOf(path);
  if (wanted && !matches(version, wanted)) return undefined;
  if (older(version, NATS_MIN_VERSION)) throw new Error(`${path} is ${version}, older than ${NATS_MIN_VERSION}`);
  return { path, version };
}

/**
 * A cached copy of the pinned version, else the one an earlier run settled on. Not simply the newest file: an old
 * version fetched for a compatibility test must not become everybody's server.
 */
async function fromCache({ cache, wanted, exact }) {
  const names = await readdir(cache).catch(() => []);
  const cached = names.filter((name) => /^nats-server-\d/.test(name)).map((name) => name.slice('nats-server-'.length));
  const fallback = await readIfPresent(join(cache, 'nats-server.default'));
  const version = wanted
    ? cached.find((have) => matches(have, wanted))
    : [exact, fallback].find((have) => cached.includes(have));
  if (!version) return undefined;
  const path = join(cache, `nats-server-${version}`);
  return { path, version: await versionOf(path) };
}

async function fromRelease({ env, cache, exact, sums, say }) {
  const platform = `${{ darwin: 'darwin', linux: 'linux' }[process.platform]}-${GO_ARCH[process.arch] ?? process.arch}`;
  const name = `nats-server-v${exact}-${platform}.tar.gz`;
  const base = `${(env.DROVER_NATS_RELEASE_URL || RELEASES).replace(/\/$/, '')}/v${exact}`;
  say(`fetching ${base}/${name}`);
  const expected = sums[platform] ?? sumFor((await download(`${base}/SHA256SUMS`)).toString(), name);
  if (!expected) throw new Error(`no checksum is published for ${name}`);
  const tarball = await download(`${base}/${name}`);
  if (sha256(tarball) !== expected) throw new Error(`${name} does not have the expected SHA-256; it was not used`);
  return keep(cache, async (scratch) => {
    const file = join(scratch, 'nats-server');
    await writeFile(file, fileFromTarball(tarball, 'nats-server'), { mode: 0o755 });
    return file;
  });
}

const GO_ARCH = { x64: 'amd64', arm64: 'arm64', arm: 'arm7', ia32: '386', s390x: 's390x', ppc64: 'ppc64le' };

async function fromGo({ env, cache, exact, say }) {
  const go = await which('go', env);
  if (!go) throw new Error('Go is not on PATH');
  const target = `${MODULE}@v${exact}`;
  // Asked first, since `go install` itself tries an unreachable proxy for minutes.
  const listed = await run(go, ['list', '-m', target], { env, cwd: '/', timeoutMillis: 15_000 });
  if (!listed.ok) throw new Error(listed.reason);
  say(`building nats-server ${exact} with Go (once; about a minute)`);
  return keep(cache, async (scratch) => {
    const built = await run(go, ['install', target], {
      env: { ...env, GOBIN: scratch, CGO_ENABLED: '0' },
      cwd: scratch,
      timeoutMillis: 600_000,
    });
    if (!built.ok) throw new Error(built.reason);
    return join(scratch, 'nats-server');
  });
}

async function fromDebian({ env, cache, say }) {
  const apt = await which('apt-get', env);
  const dpkg = await which('dpkg', env);
  if (!apt || !dpkg) throw new Error('apt-get and dpkg are not on PATH');
  say('unpacking the Debian package of nats-server (nothing is installed)');
  return keep(cache, async (scratch) => {
    const fetched = await aptDownload(apt, env, scratch);
    if (!fetched.ok) throw new Error(fetched.reason);
    const deb = (await readdir(scratch)).find((name) => name.endsWith('.deb'));
    if (!deb) throw new Error('apt-get download left no package');
    const unpacked = await run(dpkg, ['-x', join(scratch, deb), join(scratch, 'root')], { env, timeoutMillis: 60_000 });
    if (!unpacked.ok) throw new Error(unpacked.reason);
    for (const folder of ['usr/sbin', 'usr/bin']) {
      const path = join(scratch, 'root', folder, 'nats-server');
      if (await which('nats-server', { PATH: join(scratch, 'root', folder) })) return path;
    }
    throw new Error('the package holds no nats-server');
  });
}

/** With the machine's package lists, and when it has none (a fresh container) with lists of our own in the scratch folder. */
async function aptDownload(apt, env, scratch) {
  const options = { env: { ...env, LC_ALL: 'C' }, cwd: scratch, timeoutMillis: 120_000 };
  const network = ['-o', 'Acquire::http::Timeout=5', '-o', 'Acquire::Retries=0'];
  const sandbox = process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
  const first = await run(apt, [...network, ...sandbox, 'download', 'nats-server'], options);
  if (first.ok) return first;
  const lists = join(scratch, 'lists');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(scratch, 'archives', 'partial'), { recursive: true });
  const own = [...network, ...sandbox, '-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${scratch}`];
  const updated = await run(apt, [...own, 'update'], options);
  return updated.ok ? run(apt, [...own, 'download', 'nats-server'], options) : first;
}

/** Has an executable made in a scratch folder, proves that it runs, and only then gives it its name in the cache. */
async function keep(cache, make) {
  return withScratch(cache, async (scratch) => {
    const file = await make(scratch);
    const version = await versionOf(file);
    return { path: await publishExecutable(cache, file, `nats-server-${version}`), version };
  });
}

async function versionOf(path) {
  const answer = await run(path, ['-v']);
  const version = /v?(\d+\.\d+\.\d+\S*)/.exec(answer.out)?.[1];
  if (!version) throw new Error(`${path} does not run here (${answer.reason || 'it does not say its version'})`);
  return version;
}

const matches = (version, wanted) => version === wanted || version.startsWith(`${wanted}.`);

function older(version, than) {
  const [a, b] = [version, than].map((text) => text.split(/[.-]/).map(Number));
  for (const index of [0, 1, 2]) if (a[index] !== b[index]) return a[index] < b[index];
  return false;
}

function helpText(version, failures) {
  return [
    `No nats-server${version ? ` ${version}` : ''} could be found or fetched.`,
    ...failures.map((line) => `  - ${line}`),
    `Do one of these: put nats-server ${version ?? `>= ${NATS_MIN_VERSION}`} on PATH (https://nats.io/download),`,
    'install Go or connect this machine to GitHub and start again, or set DROVER_NATS_URL to a server with JetStream.',
  ].join('\n');
}
