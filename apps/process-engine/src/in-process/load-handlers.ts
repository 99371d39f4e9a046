import { readdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '@drover/config';
import type { ProcessHandler } from '@drover/handler-sdk';
import { isJsonObject } from '@drover/kernel';
import { handlerProblems } from './in-process-handlers.js';

/** A handler, and where it came from, for messages. */
export interface LoadedHandler {
  handler: ProcessHandler;
  where: string;
}

/** What belongs to one module is said with its place. */
class Unusable extends Error {}

/**
 * Loads the handlers that `DROVER_HANDLERS` names: all of them, or none.
 * @param sources folders (every .js and .mjs file in them, not below) and single files, written as paths (`./x`, `../x`, `/x`); all else
 *   is a package, looked up from the working directory as `import` would
 * @throws ConfigError with every problem: a source that is not there, a module that throws, an export that is no whole handler, an
 *   unusable name, process name or number, two handlers of one name
 */
export async function loadHandlers(
  sources: readonly string[],
  workingDirectory: string = process.cwd(),
): Promise<LoadedHandler[]> {
  const loaded: LoadedHandler[] = [];
  const problems: string[] = [];
  for (const source of sources) {
    try {
      for (const file of await filesOf(source, workingDirectory)) loaded.push(...(await handlersOf(file, problems)));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      problems.push(error.message);
    }
  }
  const whereOf = new Map<string, string>();
  for (const { handler, where } of loaded) {
    for (const problem of handlerProblems(handler)) problems.push(`${where}: ${problem}`);
    const first = whereOf.get(handler.name);
    if (first !== undefined)
      problems.push(`two handlers are named ${handler.name}: in ${first} and in ${where}; rename one`);
    whereOf.set(handler.name, where);
  }
  if (problems.length > 0) throw new ConfigError(problems.map((problem) => `DROVER_HANDLERS: ${problem}`));
  return loaded;
}

const PATH = /^(\.{0,2}[/\\]|\.{1,2}$|[A-Za-z]:[/\\])/;
const MODULE = /\.m?js$/;

/** The modules of a source. */
async function filesOf(source: string, workingDirectory: string): Promise<string[]> {
  if (!PATH.test(source)) return [await packageFile(source, workingDirectory)];
  const path = resolve(workingDirectory, source);
  const found = await stat(path).catch(() => null);
  if (found === null) throw new Unusable(`there is no folder or file ${path}`);
  if (found.isFile()) return [path];
  const names = (await readdir(path)).filter((name) => MODULE.test(name)).sort();
  if (names.length === 0) throw new Unusable(`the folder ${path} holds no .js or .mjs file`);
  return names.map((name) => join(path, name));
}

/** What `import` of a package would load, were it written in the working directory. */
async function packageFile(name: string, workingDirectory: string): Promise<string> {
  const require = createRequire(join(workingDirectory, 'package.json'));
  try {
    return require.resolve(name);
  } catch (error) {
    const { code } = error as { code?: string };
    // A package for `import` alone: its entry is in its package.json.
    if (code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return importEntry(name, require);
    const folder = await stat(join(workingDirectory, name)).catch(() => null);
    const hint = folder === null ? '' : `; for the folder of that name write ./${name}`;
    throw new Unusable(`no package ${name} can be found from ${workingDirectory}${hint}`);
  }
}

async function importEntry(name: string, require: NodeJS.Require): Promise<string> {
  for (const folder of require.resolve.paths(name) ?? []) {
    const manifest = join(folder, name, 'package.json');
    const text = await readFile(manifest, 'utf8').catch(() => null);
    if (text === null) continue;
    const entry = entryOf((JSON.parse(text) as { exports?: unknown }).exports);
    if (entry !== null) return join(dirname(manifest), entry);
  }
  throw new Unusable(`the package ${name} has no entry for "import" in its package.json`);
}

/** The entry of `exports`, by Node's conditions for `import`. */
function entryOf(exports: unknown): string | null {
  if (typeof exports === 'string') return exports;
  if (!isJsonObject(exports)) return null;
  if ('.' in exports) return entryOf(exports['.']);
  const condition = Object.keys(exports).find((key) => ['node', 'import', 'default'].includes(key));
  return condition === undefined ? null : entryOf(exports[condition]);
}

/** The handlers that a module exports, each once, however many names it has. */
async function handlersOf(file: string, problems: string[]): Promise<LoadedHandler[]> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new Unusable(`${file} cannot be loaded: ${messageOf(error)}`);
  }
  const before = problems.length;
  const loaded: LoadedHandler[] = [];
  const seen = new Set<unknown>();
  // A CommonJS module shows its exports under `default` too.
  for (const [name, value] of Object.entries(module)) {
    const group = Array.isArray(value) ? (value as unknown[]) : [value];
    if (
      name === 'default' &&
      !Array.isArray(value) &&
      !isHandlerLike(value) &&
      typeof value === 'object' &&
      value !== null
    )
      group.push(...Object.values(value));
    for (const candidate of group.flat()) {
      if (!isHandlerLike(candidate) || seen.has(candidate)) continue;
      seen.add(candidate);
      const where = typeof candidate === 'function' ? `${file}, class ${candidate.name}` : `${file}, export ${name}`;
      try {
        const handler = typeof candidate === 'function' ? new (candidate as new () => unknown)() : candidate;
        const lacks = lacksOf(handler as Partial<ProcessHandler>);
        if (lacks.length > 0) problems.push(`${where} lacks ${lacks.join(' and ')}`);
        else loaded.push({ handler: handler as ProcessHandler, where });
      } catch (error) {
        problems.push(`${where} cannot be made: ${messageOf(error)}`);
      }
    }
  }
  if (loaded.length === 0 && problems.length === before)
    problems.push(
      `${file} exports no handler (a class or an object with name, processes and handle()); helpers of handlers belong into a folder below`,
    );
  return loaded;
}

/** Something that is meant to be a handler, whole or not: a class with a method `handle`, or an object with a part of one. */
function isHandlerLike(value: unknown): boolean {
  if (typeof value === 'function')
    return typeof (value.prototype as { handle?: unknown } | undefined)?.handle === 'function';
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && ('handle' in value || 'processes' in value)
  );
}

function lacksOf(handler: Partial<ProcessHandler>): string[] {
  return [
    ...(typeof handler.name === 'string' && handler.name !== '' ? [] : ['a name']),
    ...(typeof handler.processes === 'string' ? [] : ['processes (a text such as "instance.start,*.create")']),
    ...(typeof handler.handle === 'function' ? [] : ['a method handle']),
  ];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
