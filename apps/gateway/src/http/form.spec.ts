import { compileType } from '@drover/process-model';
import { describe, expect, it } from 'vitest';
import { bodyFor, FormBody, readForm } from './form.js';

const URLENCODED = 'application/x-www-form-urlencoded';
const type = compileType(
  {
    apiVersion: 'drover/v1',
    kind: 'ResourceType',
    name: 'thing',
    fields: {
      size: { type: 'int' },
      on: { type: 'boolean' },
      label: { type: 'string' },
      tags: { type: 'array' },
      env: { type: 'map' },
    },
  },
  { version: 1, system: false },
);
const read = async (text: string, contentType = URLENCODED) =>
  bodyFor(type, await readForm(Buffer.from(text), contentType));

describe('a form', () => {
  it('is read as its type needs it', async () => {
    expect(await read('size=3&on=true&label=7&tags=a&tags=b&env={"A":"1"}')).toEqual({
      size: 3,
      on: true,
      label: '7',
      tags: ['a', 'b'],
      env: { A: '1' },
    });
  });

  it('may be multipart, as curl -F sends it', async () => {
    const part = (name: string, value: string) =>
      `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    expect(
      await read(`${part('size', '3')}${part('label', 'a;b')}--x--\r\n`, 'multipart/form-data; boundary=x'),
    ).toEqual({ size: 3, label: 'a;b' });
  });

  it('may be empty', async () => {
    expect(await read('')).toEqual({});
  });

  it.each([
    ['a prototype key', '__proto__=x', 'InvalidBodyContent'],
    ['a prototype key inside a value', 'env={"__proto__":1}', 'InvalidBodyContent'],
    ['U+0000', 'label=a%00b', 'InvalidBodyContent'],
    ['a deep value', `env=${'['.repeat(10_000)}${']'.repeat(10_000)}`, 'TooDeep'],
    ['very many fields', Array.from({ length: 1_001 }, (_, i) => `a${i}=1`).join('&'), 'InvalidBodyContent'],
  ])('with %s is refused', async (_name, text, code) => {
    await expect(read(text)).rejects.toMatchObject({ code });
  });

  it('with a file is refused', async () => {
    const file = '--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nx\r\n--x--\r\n';
    await expect(read(file, 'multipart/form-data; boundary=x')).rejects.toMatchObject({ code: 'InvalidBodyContent' });
  });

  it.each(['multipart/form-data', 'multipart/form-data; boundary=y'])(
    'that is no form is refused (%s)',
    async (contentType) => {
      await expect(read('garbage', contentType)).rejects.toMatchObject({ code: 'InvalidBodyContent' });
    },
  );
});

it('JSON is left alone', () => {
  expect(bodyFor(type, { size: '3' })).toEqual({ size: '3' });
  expect(bodyFor(type, new FormBody({ size: '3' }))).toEqual({ size: 3 });
});
