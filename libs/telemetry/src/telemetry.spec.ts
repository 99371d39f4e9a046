import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createLogger, NestLogger, startAdminServer } from './index.js';

function captured(): { lines: Record<string, unknown>[]; destination: { write(line: string): void } } {
  const lines: Record<string, unknown>[] = [];
  return { lines, destination: { write: (line) => void lines.push(JSON.parse(line)) } };
}

describe('logger', () => {
  it('writes JSON lines that name the service and hide secrets', () => {
    const { lines, destination } = captured();
    createLogger('gateway', { destination }).info({ account: { secret: 'x' }, password: 'y', id: '1i5' }, 'hello');
    expect(lines[0]).toMatchObject({
      level: 'info',
      service: 'gateway',
      msg: 'hello',
      id: '1i5',
      password: '[redacted]',
    });
    expect(JSON.stringify(lines)).not.toMatch(/"x"|"y"/);
  });

  it('carries what Nest says, with its context', () => {
    const { lines, destination } = captured();
    new NestLogger(createLogger('gateway', { destination })).error('broken', 'at line 1', 'Router');
    expect(lines[0]).toMatchObject({ level: 'error', msg: 'broken', context: 'Router', stack: 'at line 1' });
  });
});

describe('admin server', () => {
  const start = (ready: () => Promise<Record<string, boolean>>) =>
    startAdminServer({ port: 0, ready, registry: new Registry() });

  it('is live while a dependency is down, and names that dependency', async () => {
    await using admin = await start(async () => ({ nats: true, database: false }));
    expect((await fetch(`${admin.url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${admin.url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { failing: ['database'] }]);
  });

  it('is ready when all dependencies are, and shows metrics', async () => {
    await using admin = await start(async () => ({ nats: true }));
    expect((await fetch(`${admin.url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${admin.url}/metrics`)).text()).toContain('process_cpu_user_seconds_total');
  });

  it('tells how busy its event loop is, and keeps no timer for it', async () => {
    await using admin = await start(async () => ({}));
    const figures = async (): Promise<string> => (await fetch(`${admin.url}/metrics`)).text();
    const active = async (): Promise<number> =>
      Number(/^nodejs_eventloop_active_seconds_total (.*)$/m.exec(await figures())![1]);
    const before = await active();
    for (const until = performance.now() + 20; performance.now() < until;);
    await new Promise((done) => setImmediate(done));
    expect(await active()).toBeGreaterThan(before + 0.01);
    expect(await figures()).toContain('nodejs_eventloop_lag_seconds');
    expect(await figures()).not.toContain('nodejs_eventloop_lag_p99_seconds');
  });

  it('a check that hangs or throws is an answer too', async () => {
    await using hanging = await start(() => new Promise(() => {}));
    await using throwing = await start(async () => Promise.reject(new Error('down')));
    expect((await fetch(`${hanging.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${throwing.url}/readyz`)).status).toBe(503);
  });
});
