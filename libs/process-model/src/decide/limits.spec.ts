import type { LimitRow } from '@drover/contracts';
import { describe, expect, it } from 'vitest';
import { TypeRegistry } from '../definitions/registry.js';
import { failure, handler, Life, MACHINE, ok } from './life.fixture.js';
import { Limits } from './limits.js';

const limit = (scope: string, maxConcurrent: number | null = 3): LimitRow => ({ scope, maxConcurrent, weight: 1 });

/** A life under limits, with a handler for its start and one for its post phase. */
function limited(scopes: string[], yaml = MACHINE): Life {
  const life = new Life([handler('demo', 'machine.start'), handler('later', 'post.machine.start')], 'stopped', yaml);
  life.limits = new Limits(
    scopes.map((scope) => limit(scope)),
    new TypeRegistry([life.type]),
  );
  return life;
}

describe('a limit of concurrency', () => {
  it('holds a process before its first attempt until it is admitted, and is passed once', () => {
    const life = limited(['process/machine.start']);
    life.start('start');
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/process/machine.start', dispatch: 0 });
    expect(life.admissions).toEqual([{ kind: 'admit', handler: 'process/machine.start', waits: true }]);
    life.admit();
    expect(life.process()).toMatchObject({ status: 'dispatched', admitted: null, heldBy: null });
    expect(life.progress.places).toEqual(['process/machine.start']);
    life.reply(ok());
    expect(life.process().status).toBe('dispatched');
    life.reply(ok());
    expect(life.isLive()).toBe(false);
    expect(life.admissions.at(-1)).toEqual({ kind: 'admit', handler: 'process/machine.start', waits: false });
    expect(life.violations()).toEqual([]);
  });

  it('of account, type and process are passed in this order', () => {
    const life = limited(['account/5', 'type/machine', 'process/machine.start']);
    life.resource.accountId = 5;
    life.start('start');
    const passed: (string | null)[] = [];
    while (life.process().status === 'held') {
      passed.push(life.process().heldBy);
      life.admit();
    }
    expect(passed).toEqual(['limit/account/5', 'limit/type/machine', 'limit/process/machine.start']);
    expect(life.sent).toHaveLength(1);
  });

  it('of other accounts, types and processes hold nothing, and neither does one without a maximum', () => {
    const life = limited(['account/6', 'type/other', 'process/machine.stop']);
    life.limits = new Limits(
      [limit('account/6'), limit('type/other'), limit('process/machine.start', null)],
      new TypeRegistry([life.type]),
    );
    life.resource.accountId = 5;
    life.start('start');
    expect(life.process().status).toBe('dispatched');
  });

  it('may be declared by the type, and an operator may lift it', () => {
    const yaml = `${MACHINE}\nmaxConcurrent: 2`;
    const life = limited([], yaml);
    life.start('start');
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/type/machine' });
    life.input({ kind: 'notAdmitted', handler: 'type/machine', failures: null });
    expect(life.resource.message).toBe('waiting: type machine has its maximum of 2 at work');
    life.limits = new Limits([limit('type/machine', null)], new TypeRegistry([life.type]));
    life.input({ kind: 'wake' });
    expect(life.process().status).toBe('dispatched');
    expect(life.resource.message).toBeNull();
  });

  it('is left by a process that parks, and asked again by its retry', () => {
    const life = limited(['type/machine']);
    life.start('start');
    life.admit();
    life.reply(failure('no', { retryable: false }));
    expect(life.process().status).toBe('parked');
    expect(life.progress.places).toEqual([]);
    expect(life.admissions.at(-1)).toEqual({ kind: 'admit', handler: 'type/machine', waits: false });
    life.operate('retry');
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/type/machine' });
  });

  it('is kept while a pause holds the process that it has just admitted', () => {
    const life = limited(['type/machine']);
    life.start('start');
    life.pause({ scope: 'cluster' });
    life.admit();
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'cluster' });
    expect(life.progress.places).toEqual(['type/machine']);
    life.pause();
    expect(life.process().status).toBe('dispatched');
  });

  it('of a handler comes after it', () => {
    const life = limited(['type/machine']);
    life.handlers = new Life([
      handler('demo', 'machine.start', { limits: { maxInFlight: 1, circuitBreaker: null } }),
    ]).handlers;
    life.start('start');
    expect(life.process().heldBy).toBe('limit/type/machine');
    life.admit();
    expect(life.process().heldBy).toBe('limit/demo');
    life.admit();
    expect(life.process()).toMatchObject({ status: 'dispatched', admitted: 'demo' });
  });
});
