import { expect, it } from 'vitest';
import { allowedMethods } from './allowed-methods.js';

it.each([
  ['/', 'GET, HEAD'],
  ['/v1', 'GET, HEAD'],
  ['/v1/', 'GET, HEAD'],
  ['/V1/instances', 'GET, HEAD, POST'],
  ['/v1/instances/1i5', 'GET, HEAD, PUT, DELETE, POST'],
  ['/v1/instances/1i5/why', 'GET, HEAD'],
  ['/v1/processdefinitions', 'GET, HEAD'],
  ['/v1/processDefinition/1pd!instance.start', 'GET, HEAD'],
  ['/v1/resourcedefinitions/1rd!instance/resourcedot', 'GET, HEAD'],
  ['/v1/processinstances', 'GET, HEAD'],
  ['/v1/processinstances/1pi9', 'GET, HEAD, POST'],
  ['/v1/processexecutions/1pe9.1', 'GET, HEAD'],
  ['/v1/definitions', 'GET, HEAD, POST'],
  ['/v1/definitions/instance', 'GET, HEAD, PUT, DELETE'],
])('%s has %s', (path, methods) => {
  expect(allowedMethods(path)?.join(', ')).toBe(methods);
});

it.each(['/nowhere', '/v1/a/b/c/d', '/v1/definitions/instance/x', '/v1/processexecutions/1pe9.1/x'])(
  '%s is no path',
  (path) => {
    expect(allowedMethods(path)).toBeNull();
  },
);
