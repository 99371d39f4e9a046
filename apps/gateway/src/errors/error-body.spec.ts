import { HttpException, NotFoundException } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import { describe, expect, it } from 'vitest';
import { allowedMethods } from './allowed-methods.js';
import { answerOf } from './error-body.js';

describe('an error as the API answers it', () => {
  it('carries code, status, message, detail and the field', () => {
    const { json, bug } = answerOf(
      new DroverError('MissingRequired', 'The field "name" is required', { fieldName: 'name' }),
    );
    expect(json).toEqual({
      type: 'error',
      id: expect.any(String),
      status: 422,
      code: 'MissingRequired',
      message: 'The field "name" is required',
      detail: null,
      fieldName: 'name',
    });
    expect(bug).toBeNull();
  });

  it('keeps the text of a bug to itself', () => {
    const error = new TypeError('x is not a function');
    const { json, bug } = answerOf(error);
    expect(json).toMatchObject({ status: 500, code: 'Internal' });
    expect(JSON.stringify(json)).not.toContain('function');
    expect(bug).toBe(error);
  });

  it('asks to come back when a dependency is down', () => {
    expect(answerOf(new DroverError('Unavailable', '')).headers).toEqual({ 'retry-after': '1' });
    expect(answerOf(new DroverError('NotFound', '')).headers).toEqual({});
  });

  it.each([
    [413, 'BodyTooLarge', 413],
    [415, 'UnsupportedMediaType', 415],
    [400, 'InvalidBodyContent', 400],
    [418, 'InvalidBodyContent', 400],
    [500, 'Internal', 500],
  ])('the framework status %i is %s', (status, code, answered) => {
    expect(answerOf(new HttpException('x', status)).json).toMatchObject({ code, status: answered });
  });

  it('an unrouted request is NotFound', () => {
    expect(answerOf(new NotFoundException('Cannot GET /x')).json).toMatchObject({ code: 'NotFound', status: 404 });
  });
});

describe('the methods of a path', () => {
  it.each([
    ['/v1', ['GET', 'HEAD']],
    ['/v1/instances', ['GET', 'HEAD', 'POST']],
    ['/V1/instances/1i5/', ['GET', 'HEAD', 'PUT', 'DELETE', 'POST']],
    ['/v1/instances/1i5/host', ['GET', 'HEAD']],
    ['/v1/a/b/c/d', null],
    ['/elsewhere', null],
  ])('%s', (path, methods) => {
    expect(allowedMethods(path)).toEqual(methods);
  });
});
