import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InProcessHandlers } from './in-process-handlers.js';
import { loadHandlers } from './load-handlers.js';

let root: string;
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'drover-handlers-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

let folders = 0;
/** A working directory with these files. */
async function directory(files: Record<string, string>): Promise<string> {
  const folder = join(root, `d${folders++}`);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

/** Names of the handlers, by their order; or the problems. */
async function load(files: Record<string, string>, ...sources: string[]): Promise<string[]> {
  const loaded = await loadHandlers(sources.length === 0 ? ['./plugins'] : sources, await directory(files));
  return loaded.map(({ handler }) => handler.name);
}

const one = (name: string, processes = 'volume.activate', more = ''): string =>
  `export const ${name} = { name: '${name}', processes: '${processes}', ${more} handle() {} };`;

describe('handlers are loaded', () => {
  it('from every .js and .mjs file of a folder, in the order of their names, and not from below', async () => {
    const files = {
      'plugins/b.mjs': one('second'),
      'plugins/a.js': `exports.first = { name: 'first', processes: '*.create', handle() {} };`,
      'plugins/notes.txt': 'not a module',
      'plugins/lib/helper.mjs': 'throw new Error("never loaded")',
      'package.json': '{"type":"commonjs"}',
    };
    expect(await load(files)).toEqual(['first', 'second']);
  });

  it('whether a class, an instance or a list of them, each once', async () => {
    const text = `
      export class Start { name = 'start'; processes = 'volume.activate'; handle() { return {}; } }
      class Base { handle() {} }
      export default class Stop extends Base { name = 'stop'; processes = 'volume.deactivate'; }
      export const handlers = [{ name: 'listed', processes: 'x.y', handle() {} }, Start];
      export const limit = 5;
      export function help() {}`;
    expect((await load({ 'plugins/a.mjs': text })).sort()).toEqual(['listed', 'start', 'stop']);
  });

  it('from packages, looked up from the working directory, for require or for import alone', async () => {
    const files = {
      'node_modules/plain/package.json': '{"name":"plain","main":"lib.js"}',
      'node_modules/plain/lib.js': `module.exports = { plain: { name: 'plain', processes: 'a.b', handle() {} } };`,
      'node_modules/@acme/modern/package.json':
        '{"name":"@acme/modern","type":"module","exports":{".":{"types":"./x.d.ts","import":"./main.js"}}}',
      'node_modules/@acme/modern/main.js': one('modern'),
    };
    expect(await load(files, 'plain', '@acme/modern')).toEqual(['plain', 'modern']);
  });

  it('with the defaults of an external handler', async () => {
    const folder = await directory({ 'plugins/a.mjs': one('listener', 'pre.Volume.*, *.create') });
    const loaded = await loadHandlers(['./plugins/a.mjs'], folder);
    const { bindings } = new InProcessHandlers(loaded.map(({ handler }) => handler));
    expect(bindings).toMatchObject([
      { name: 'listener', kind: 'builtin', priority: 1000, retries: null, timeoutMillis: null },
    ]);
    expect(bindings[0]!.processes).toMatchObject([
      { phase: 'pre', glob: 'volume.*' },
      { phase: 'handle', glob: '*.create' },
    ]);
  });
});

describe('nothing is loaded, and the message says why, when', () => {
  const refused = async (text: string, expected: RegExp, ...sources: string[]): Promise<void> => {
    await expect(load({ 'plugins/a.mjs': text }, ...sources)).rejects.toThrow(expected);
  };

  it('a folder is not there, or empty', async () => {
    await refused('', /DROVER_HANDLERS: there is no folder or file .*nowhere/, './nowhere');
    await expect(load({ 'plugins/readme.md': '' })).rejects.toThrow(/plugins holds no \.js or \.mjs file/);
  });

  it('a package is not there; one that is a folder says how to write it', async () => {
    await refused('', /no package @acme\/none can be found/, '@acme/none');
    await refused('', /no package plugins can be found.*write \.\/plugins/, 'plugins');
  });

  it('a module throws or is no JavaScript', async () => {
    await refused('throw new TypeError("no licence")', /a\.mjs cannot be loaded: TypeError: no licence/);
    await refused('export const = 5', /a\.mjs cannot be loaded: .*(SyntaxError|Parse)/);
  });

  it('a class lacks its name, its processes or its method, or its constructor throws', async () => {
    await refused(`export class A { processes = 'a.b'; handle() {} }`, /class A lacks a name/);
    await refused(`export class A { name = 'a'; handle() {} }`, /class A lacks processes/);
    await refused(`export const a = { name: 'a', processes: 'a.b' };`, /export a lacks a method handle/);
    await refused(
      `export class A { constructor() { throw new Error('no key'); } handle() {} }`,
      /class A cannot be made: Error: no key/,
    );
  });

  it('a file exports no handler', () => refused('export const x = 1;', /exports no handler/));

  it('two handlers have one name', () =>
    refused(
      `${one('twin')} export const other = { ...twin };`,
      /two handlers are named twin: in .* and in .*; rename one/,
    ));

  it('a name, a glob, a phase or a number is unusable', async () => {
    await refused(`export const a = { name: 'a b', processes: 'x.y', handle() {} };`, /the name "a b" is unusable/);
    await refused(one('a', 'volume'), /"volume" is no process name/);
    await refused(one('a', 'volume.[a-z]'), /is no process name/);
    await refused(one('a', 'after.volume.activate'), /"after\.volume\.activate" is no process name.*pre\. or post\./);
    await refused(one('a', ' , '), /processes is empty/);
    await refused(one('a', 'a.b', 'retries: 0,'), /retries must be a whole number from 1 to 1000/);
    await refused(one('a', 'a.b', 'maxInFlight: 0,'), /maxInFlight: .*1/);
    await refused(one('a', 'a.b', 'circuitBreaker: { failures: 3 },'), /circuitBreaker: .*openMillis/);
    await refused(one('a', 'a.b', 'timeoutMillis: "5s",'), /timeoutMillis must be a whole number/);
  });

  it('several things are wrong: all of them are said', async () => {
    const files = { 'plugins/a.mjs': one('fine'), 'plugins/b.mjs': 'throw 1', 'plugins/c.mjs': one('c', 'nothing') };
    await expect(load(files, './plugins/a.mjs', './none', './plugins/c.mjs', './plugins/b.mjs')).rejects.toThrow(
      /none[^]*b\.mjs[^]*c\.mjs/,
    );
  });
});
