import { describe, expect, it } from 'vitest';
import type { HandlerBinding } from '../definitions/types.js';
import { bindingOf, HANDLER_NAME, HandlerTable, parseProcessNames } from './bindings.js';

describe('parseProcessNames', () => {
  it('reads names, phases and globs, comma-separated, in lower case', () => {
    expect(parseProcessNames(' instance.start, pre.instance.stop ,post.*.create,IpAddress.*,')).toEqual([
      { phase: 'handle', glob: 'instance.start' },
      { phase: 'pre', glob: 'instance.stop' },
      { phase: 'post', glob: '*.create' },
      { phase: 'handle', glob: 'ipaddress.*' },
    ]);
  });

  it('pre is a phase only when two more tokens follow: a type may be called pre', () => {
    expect(parseProcessNames('pre.start,pre.pre.start')).toEqual([
      { phase: 'handle', glob: 'pre.start' },
      { phase: 'pre', glob: 'pre.start' },
    ]);
  });

  it('nothing is nothing', () => {
    expect(parseProcessNames(' , ')).toEqual([]);
  });

  it.each(['start', '*', 'a.b.c', 'mid.instance.start', 'pre.start.', '.start', 'a b.c', 'instance.>', 'pre.a.b.c'])(
    '"%s" is refused, and named',
    (name) => {
      expect(() => parseProcessNames(`instance.start,${name}`)).toThrow(`"${name}"`);
    },
  );
});

describe('bindingOf', () => {
  it('makes an active registration what the engine uses', () => {
    const row = {
      resourceId: 1,
      name: 'demo',
      priority: 1_000,
      retries: 5,
      timeoutMillis: null,
      heartbeatMillis: null,
      totalMillis: null,
      retry: null,
      delivery: 'core' as const,
      maxInFlight: 3,
      circuitBreaker: null,
      processConfigs: [
        { name: 'instance.start,pre.instance.stop', onError: 'instance.error' },
        { name: '*.create', onError: null },
      ],
    };
    expect(bindingOf(row)).toEqual({
      name: 'demo',
      kind: 'external',
      priority: 1_000,
      retries: 5,
      timeoutMillis: null,
      heartbeatMillis: null,
      totalMillis: null,
      retry: null,
      delivery: 'core',
      limits: { maxInFlight: 3, circuitBreaker: null },
      processes: [
        { phase: 'handle', glob: 'instance.start', onError: 'instance.error' },
        { phase: 'pre', glob: 'instance.stop', onError: 'instance.error' },
        { phase: 'handle', glob: '*.create', onError: null },
      ],
    });
  });
});

describe('HandlerTable', () => {
  const one = (name: string, processes: string, priority = 1_000): HandlerBinding => ({
    name,
    kind: 'external',
    priority,
    processes: parseProcessNames(processes).map((process) => ({ ...process, onError: null })),
    retries: null,
    timeoutMillis: null,
    delivery: 'core',
    limits: null,
  });
  const keys = (table: HandlerTable, name: string): string[] => table.stepsOf(name).map((step) => step.key);

  it('orders by phase, priority, name, whatever the order of registration', () => {
    const handlers = [
      one('z', 'a.b'),
      one('m', 'post.a.b', 1),
      one('b', 'a.b'),
      one('B', 'a.b'),
      one('y', 'pre.a.b', 9_000),
      one('x', 'a.b', 500),
    ];
    const expected = ['pre.y', 'handle.x', 'handle.B', 'handle.b', 'handle.z', 'post.m'];
    expect(keys(new HandlerTable(handlers), 'a.b')).toEqual(expected);
    expect(keys(new HandlerTable([...handlers].reverse()), 'a.b')).toEqual(expected);
  });

  it('a handler has one turn in a phase, however many of its names match', () => {
    expect(keys(new HandlerTable([one('demo', '*.b,a.*,a.b,pre.a.b')]), 'a.b')).toEqual(['pre.demo', 'handle.demo']);
  });

  it('no handler binds: no steps', () => {
    expect(new HandlerTable([one('demo', 'a.b')]).stepsOf('a.c')).toEqual([]);
  });

  it('names fit into a subject token', () => {
    expect(['demo', 'a_b-C9', 'x'.repeat(64)].every((name) => HANDLER_NAME.test(name))).toBe(true);
    expect(['', 'a.b', 'a b', '*', '>', 'é', 'x'.repeat(65), 'a\n'].some((name) => HANDLER_NAME.test(name))).toBe(
      false,
    );
  });
});
