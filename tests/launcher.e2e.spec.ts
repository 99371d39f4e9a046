import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, waitFor } from '@drover/testing';

const START = fileURLToPath(new URL('../tools/start.mjs', import.meta.url));
/** Includes the build, and for a first run the creation of the database. */
const UP_MILLIS = 100_000;

interface Launcher {
  child: ChildProcess;
  output(): string;
  ended: Promise<number | null>;
}

describe('npm start', () => {
  let dir: string;
  let ports: { http: number; nats: number };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'drover-launcher-'));
    ports = { http: await freePort(), nats: await freePort() };
  });
  afterAll(() => {
    const elsewhere = join(dir, 'postgres', 'data-is-elsewhere.txt');
    if (existsSync(elsewhere)) rmSync(readFileSync(elsewhere, 'utf8').trim(), { recursive: true, force: true });
    rmSync(dir, { recursive: true, force: true });
  });

  function launch(): Launcher {
    const { PATH = '', HOME = '', DROVER_CACHE_DIR, XDG_CACHE_HOME } = process.env;
    const env = { PATH, HOME, DROVER_CACHE_DIR, XDG_CACHE_HOME, DROVER_DATA_DIR: dir };
    const child = spawn(process.execPath, [START], {
      env: { ...env, DROVER_HTTP_PORT: String(ports.http), DROVER_NATS_PORT: String(ports.nats) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    return { child, output: () => output, ended: new Promise((done) => child.once('close', done)) };
  }

  async function launched(): Promise<Launcher> {
    const launcher = launch();
    const look = (): boolean | 'ended' =>
      launcher.output().includes('Drover runs.') || (launcher.child.exitCode !== null && 'ended');
    const answer = await waitFor(look, { timeoutMillis: UP_MILLIS, what: 'the launcher' }).catch(() => 'late');
    if (answer !== true) {
      launcher.child.kill('SIGINT');
      throw new Error(`the launcher is not up (${answer}):\n${launcher.output()}`);
    }
    return launcher;
  }

  const answers = (port: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/v1`).then(
      () => true,
      () => false,
    );

  it('walks an instance through its life, leaves one running, refuses a second start, and stops cleanly', async () => {
    const launcher = await launched();
    const said = launcher.output();
    for (const transition of [
      'requested → creating',
      'stopped → starting',
      'starting → running',
      'running → stopping',
      'removing → removed',
    ]) {
      expect(said).toContain(transition);
    }
    expect(said).toMatch(/instance\.start +starting → running +.*demo/);
    expect(said).toContain('stays running');
    const running = await fetch(`http://127.0.0.1:${ports.http}/v1/instances?state=running`);
    expect(await running.json()).toMatchObject({ data: [{ name: 'example', state: 'running' }] });

    const second = launch();
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`(process ${launcher.child.pid})`);

    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(0);
    expect(launcher.output()).toContain('Stopped.');
    expect(await answers(ports.http)).toBe(false);
  });

  it('keeps its data, and everything ends when the launcher is killed', async () => {
    const launcher = await launched();
    expect(launcher.output()).toContain('still runs from an earlier start');
    launcher.child.kill('SIGKILL');
    await waitFor(async () => !(await answers(ports.http)), { timeoutMillis: 8_000, what: 'the end of the gateway' });
  });
});
