import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseReply, readReply, stepErrorOf } from './reply.js';

const parse = (body: string) => parseReply(body, null);
const parseOf = (value: unknown) => parse(JSON.stringify(value));

describe('parseReply', () => {
  it.each([
    ['an empty object', '{}'],
    ['null data', '{"data":null}'],
    [
      'keys that are null',
      '{"delegate":null,"retryable":null,"shouldContinue":null,"chainProcess":null,"delayMillis":null}',
    ],
    ['transitioning no', '{"transitioning":"no"}'],
  ])('%s is done', (_, body) => {
    expect(parse(body)).toEqual({ kind: 'done', data: {}, chainProcess: null, delegate: false, endPhase: false });
  });

  it('nothing at all is no JSON: a handler that broke down has not reported success', () => {
    expect(parse('')).toEqual({ kind: 'rejected', reason: 'The body is not valid JSON' });
  });

  it('result controls combine with data', () => {
    expect(parseOf({ data: { a: 1 }, chainProcess: 'machine.stop', delegate: true, shouldContinue: false })).toEqual({
      kind: 'done',
      data: { a: 1 },
      chainProcess: 'machine.stop',
      delegate: true,
      endPhase: true,
    });
  });

  it('transitioning yes is progress; numbers are rounded', () => {
    expect(parseOf({ transitioning: 'yes', transitioningMessage: 'm', transitioningProgress: 39.6 })).toEqual({
      kind: 'progress',
      message: 'm',
      progress: 40,
      data: {},
    });
    expect(parseOf({ transitioning: 'yes' })).toMatchObject({ message: null, progress: null });
  });

  it('transitioning error is a failure, retryable unless said', () => {
    expect(parseOf({ transitioning: 'error', transitioningMessage: 'm', code: 'C' })).toEqual({
      kind: 'failed',
      error: { code: 'C', message: 'm', retryable: true },
    });
    expect(parseOf({ transitioning: 'error', retryable: false })).toMatchObject({
      error: { code: 'HandlerFailed', message: expect.stringMatching(/without a message/), retryable: false },
    });
  });

  it('delayMillis asks to be called later', () => {
    expect(parseOf({ delayMillis: 60_000.4, data: { a: 1 } })).toEqual({
      kind: 'delay',
      delayMillis: 60_000,
      data: { a: 1 },
    });
  });

  it('the headers of a NATS micro service are a failure, whatever the body', () => {
    expect(parseReply('not json', { message: 'boom', code: '500' })).toEqual({
      kind: 'failed',
      error: { code: '500', message: 'boom', retryable: true },
    });
    expect(parseReply('', { message: `${'x'.repeat(5_000)}\u0000\ud800`, code: '' })).toMatchObject({
      error: { code: 'HandlerFailed', message: expect.stringMatching(/^x{999}…$/) },
    });
    expect(parseReply('', { message: 'a\u0000b\ud800', code: 'c\u0000' })).toMatchObject({
      error: { code: 'c', message: 'ab\ufffd' },
    });
  });

  it.each([
    ['not JSON', '{data:1}', /not valid JSON/],
    ['text', '"done"', /must be a JSON object/],
    ['an array', '[]', /must be a JSON object/],
    ['a number', '7', /must be a JSON object/],
    ['null', 'null', /must be a JSON object/],
    ['a misspelt key', '{"chainprocess":"a.b"}', /Unknown key "chainprocess".*known keys are data, /],
    ['fields at the top', '{"address":"10.0.0.1"}', /Values for the resource go under "data"/],
    ['data that is a list', '{"data":[]}', /"data" must be an object/],
    ['data that is text', '{"data":"x"}', /"data" must be an object/],
    ['transitioning of another word', '{"transitioning":"maybe"}', /"yes", "no" or "error"/],
    ['a message that is a number', '{"transitioningMessage":1}', /must be text/],
    ['progress as text', '{"transitioning":"yes","transitioningProgress":"40"}', /number from 0 to 100/],
    ['progress over 100', '{"transitioning":"yes","transitioningProgress":101}', /number from 0 to 100/],
    ['a negative delay', '{"delayMillis":-1}', /number from 0/],
    ['a delay of years', '{"delayMillis":1e300}', /number from 0/],
    ['an infinite delay', '{"delayMillis":1e999}', /too large/],
    ['delegate as text', '{"delegate":"true"}', /true or false/],
    ['shouldContinue as text', '{"shouldContinue":"false"}', /true or false/],
    ['retryable as a number', '{"transitioning":"error","retryable":0}', /true or false/],
    ['__proto__', '{"__proto__":{"delegate":true}}', /"__proto__" is not allowed/],
    ['__proto__ deep inside', '{"data":{"a":{"__proto__":{}}}}', /"__proto__" is not allowed/],
    ['constructor', '{"data":{"constructor":1}}', /"constructor" is not allowed/],
    ['a key every object answers to', '{"toString":1}', /Unknown key "toString"/],
    ['U+0000', '{"data":{"a":"\\u0000"}}', /U\+0000/],
    ['U+0000 in a key', '{"data":{"a\\u0000":1}}', /U\+0000/],
    ['a lone surrogate', '{"data":{"a":"\\ud800"}}', /lone surrogate/],
    ['too deep', `{"data":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, /deeper than/],
    ['too deep and cut off', '['.repeat(200_000), /deeper than/],
  ])('%s is rejected', (_, body, reason) => {
    const reply = parse(body);
    expect(reply.kind).toBe('rejected');
    expect((reply as { reason: string }).reason).toMatch(reason);
  });

  it('600 KB of data is read: that it is too large is the merge to say', () => {
    expect(parseOf({ data: { blob: 'x'.repeat(600_000) } }).kind).toBe('done');
  });

  it('an unknown key of any length is named shortly', () => {
    const reply = parseOf({ ['\ud83d\ude00'.repeat(100_000)]: 1 });
    expect((reply as { reason: string }).reason.length).toBeLessThan(500);
    expect((reply as { reason: string }).reason.isWellFormed()).toBe(true);
  });

  it('whatever comes, it answers, and what it answers can be stored', () => {
    // UTF-16 code units of every sort: halves of pairs and U+0000 too.
    const units = fc
      .array(fc.constantFrom(0, 34, 92, 97, 123, 0xd800, 0xdfff, 0xffff))
      .map((codes) => String.fromCharCode(...codes));
    const body = fc.oneof(
      units,
      fc.json(),
      fc
        .record(
          {
            data: fc.jsonValue(),
            transitioning: fc.constantFrom('yes', 'no', 'error', 1),
            code: units,
          },
          { requiredKeys: [] },
        )
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(body, (text) => {
        const reply = JSON.stringify(parse(text));
        expect(reply).not.toContain('\\u0000');
        expect(reply.isWellFormed()).toBe(true);
        expect(reply).not.toMatch(/\\ud[89a-f]/);
      }),
      { seed: 20261122 },
    );
  });
});

describe('readReply', () => {
  it("reads an in-process handler's result by the same rules", () => {
    expect(readReply({ data: { a: 1 } })).toMatchObject({ kind: 'done', data: { a: 1 } });
    expect(readReply(undefined)).toMatchObject({ kind: 'rejected' });
    expect(readReply({ transitioning: 'error', transitioningMessage: 'a\u0000b' })).toMatchObject({
      error: { message: 'ab' },
    });
  });
});

describe('stepErrorOf', () => {
  it('keeps code and text', () => {
    expect(stepErrorOf({ code: 'Internal', message: 'm' }, false)).toEqual({
      code: 'Internal',
      message: 'm',
      retryable: false,
    });
  });
});
