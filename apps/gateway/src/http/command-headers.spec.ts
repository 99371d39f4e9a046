import { describe, expect, it } from 'vitest';
import { commandOptions } from './command-headers.js';

const request = (headers: Record<string, string>, rest: { method?: string; url?: string; body?: unknown } = {}) =>
  commandOptions({ method: 'POST', url: '/v1/instances', body: {}, headers, ...rest } as never);

describe('Prefer: wait', () => {
  it.each([
    ['wait=5', 5_000],
    ['respond-async, wait=10', 10_000],
    ['Wait="7"', 7_000],
    ['wait=600', 60_000],
    ['return=minimal', 0],
    ['', 0],
  ])('%s waits %i ms', (prefer, millis) => {
    expect(request({ prefer }).waitMillis).toBe(millis);
  });

  it.each(['wait', 'wait=', 'wait=-1', 'wait=1.5', 'wait=soon'])('%s is refused', (prefer) => {
    expect(() => request({ prefer })).toThrow(expect.objectContaining({ code: 'InvalidHeader' }));
  });
});

describe('If-Match', () => {
  it.each([
    ['5', 5],
    ['"5"', 5],
    ['W/"12"', 12],
    ['*', null],
  ])('%s expects %s', (header, revision) => {
    expect(request({ 'if-match': header }).expectRevision).toBe(revision);
  });

  it.each(['x', '-1', '1.5', '"a"', '99999999999999999'])('%s is refused', (header) => {
    expect(() => request({ 'if-match': header })).toThrow(expect.objectContaining({ code: 'InvalidHeader' }));
  });
});

describe('Idempotency-Key', () => {
  const key = { 'idempotency-key': 'order-42' };

  it('the same call has the same command id and hash, whatever the order of the keys', () => {
    const first = request(key, { body: { a: 1, b: [2] } });
    expect(request(key, { url: '/v1/INSTANCES', body: { b: [2], a: 1 } })).toEqual(first);
  });

  it('another body has another hash under the same id', () => {
    const first = request(key, { body: { a: 1 } });
    const second = request(key, { body: { a: 2 } });
    expect(second.commandId).toBe(first.commandId);
    expect(second.commandHash).not.toBe(first.commandHash);
  });

  it('another action has another hash under the same id', () => {
    const first = request(key, { url: '/v1/instances/1i5?action=start' });
    const second = request(key, { url: '/v1/instances/1i5?action=stop' });
    expect(second.commandId).toBe(first.commandId);
    expect(second.commandHash).not.toBe(first.commandHash);
    expect(request(key, { url: '/v1/Instances/1i5/?action=START' })).toEqual(first);
  });

  it('another path or method is another command', () => {
    const ids = [request(key), request(key, { url: '/v1/hosts' }), request(key, { method: 'PUT' })].map(
      ({ commandId }) => commandId,
    );
    expect(new Set(ids).size).toBe(3);
  });

  it('without a key each request is a command of its own, without a hash', () => {
    expect(request({}).commandId).not.toBe(request({}).commandId);
    expect(request({}).commandHash).toBeNull();
  });

  it.each(['', 'x'.repeat(256), 'naïve'])('the key "%s" is refused', (value) => {
    expect(() => request({ 'idempotency-key': value })).toThrow(expect.objectContaining({ code: 'InvalidHeader' }));
  });
});
