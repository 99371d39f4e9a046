import { describe, expect, it } from 'vitest';
import { formatId, newToken, parseId, uuidOf, uuidv7 } from './ids.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('ids', () => {
  it('go there and back', () => {
    expect(formatId('i', 5)).toBe('1i5');
    expect(parseId('1i5')).toEqual({ prefix: 'i', number: 5 });
    expect(parseId(formatId('eh', Number.MAX_SAFE_INTEGER))).toEqual({ prefix: 'eh', number: Number.MAX_SAFE_INTEGER });
  });

  it.each([
    '',
    '1',
    '1i',
    '15',
    'i5',
    '2i5',
    '1i05',
    '1i0',
    '1i-5',
    '1I5',
    '1i5 ',
    '1i5\n',
    '1i9007199254740992',
    '1i1e3',
  ])('%j is none', (text) => expect(parseId(text)).toBeNull());
});

describe('uuids', () => {
  it('of version 7 sort by time', () => {
    expect(UUID.exec(uuidv7())![1]).toBe('7');
    const [earlier, later] = [uuidv7(1_000), uuidv7(1_001)];
    expect(earlier < later).toBe(true);
    expect(uuidv7(1_000)).not.toBe(earlier);
  });

  it('of a text are the same for ever', () => {
    expect(uuidOf('key')).toBe('2c70e12b-7a06-86f9-a279-f427c7b38e73');
    expect(uuidOf('key')).not.toBe(uuidOf('Key'));
    expect(UUID.exec(uuidOf('key'))![1]).toBe('8');
  });

  it('tokens are 24 hex digits, each another', () => {
    expect(newToken()).toMatch(/^[0-9a-f]{24}$/);
    expect(newToken()).not.toBe(newToken());
  });
});
