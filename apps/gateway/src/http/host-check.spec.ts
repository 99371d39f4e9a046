import { describe, expect, it } from 'vitest';
import { checkHost } from './host-check.js';

const rules = { enforce: true, allowedHosts: ['drover.example', 'other.example:8443'] };

describe('with authentication off', () => {
  it.each([
    'localhost',
    'LOCALHOST:8080',
    '127.0.0.1:3',
    '127.8.9.1',
    '[::1]:8080',
    'drover.example',
    'Drover.Example:99',
    'other.example:8443',
  ])('the host %s is answered', (host) => {
    expect(() => checkHost(rules, host, undefined)).not.toThrow();
  });

  it.each([
    undefined,
    '',
    'evil.example',
    '10.0.0.1:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'other.example',
    'a b',
    '[::2]',
  ])('the host %s is refused', (host) => {
    expect(() => checkHost(rules, host, undefined)).toThrow(/not allowed/);
  });

  it.each(['https://evil.example', 'null', 'file://', 'http://localhost.evil.example'])(
    'the origin %s is refused',
    (origin) => {
      expect(() => checkHost(rules, 'localhost', origin)).toThrow(/not allowed/);
    },
  );

  it.each(['http://localhost:3000', 'https://127.0.0.1', 'http://[::1]:5173', 'https://drover.example'])(
    'the origin %s is answered',
    (origin) => {
      expect(() => checkHost(rules, 'localhost', origin)).not.toThrow();
    },
  );

  it('a star allows any host', () => {
    expect(() =>
      checkHost({ enforce: true, allowedHosts: ['*'] }, 'evil.example', 'https://evil.example'),
    ).not.toThrow();
  });
});

it('rules that are not enforced refuse nothing', () => {
  expect(() => checkHost({ enforce: false, allowedHosts: [] }, 'evil.example', undefined)).not.toThrow();
});
