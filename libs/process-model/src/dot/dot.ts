import type { ProcessDefinition, TypeDefinition } from '../definitions/types.js';

/** The names of a process's handlers by phase, in the order in which they run. */
export interface ProcessHandlers {
  pre: string[];
  handle: string[];
  post: string[];
}

export interface DotOptions {
  /** what comes before `/processdefinitions/…`, such as `http://host:8080/v1`; without it the picture has no links */
  urlBase?: string;
}

const NO_HANDLERS: ProcessHandlers = { pre: [], handle: [], post: [] };

/** One process as Graphviz DOT, drawn as Cattle drew it. The same input gives the same text. */
export function processDot(
  type: TypeDefinition,
  process: ProcessDefinition,
  handlers: ProcessHandlers = NO_HANDLERS,
  options: DotOptions = {},
): string {
  return digraph(type.name, processLines(process, handlers, options, new Set()));
}

/** A whole type, its processes in the definition's order. */
export function resourceDot(
  type: TypeDefinition,
  handlersOf: (processName: string) => ProcessHandlers = () => NO_HANDLERS,
  options: DotOptions = {},
): string {
  const colored = new Set<string>();
  const lines = Object.values(type.processes).flatMap((process) =>
    processLines(process, handlersOf(process.name), options, colored),
  );
  return digraph(type.name, lines);
}

function digraph(name: string, lines: string[]): string {
  return [`digraph ${quote(name)} {`, ...lines.map((line) => `  ${line};`), '}', ''].join('\n');
}

/** Edges into the transitioning states, each of which is coloured after its first edge, then the edges to done. */
function processLines(
  process: ProcessDefinition,
  handlers: ProcessHandlers,
  options: DotOptions,
  colored: Set<string>,
): string[] {
  const lines: string[] = [];
  const working = new Set<string>();
  for (const start of process.startStates) {
    const transitioning = process.transitioning[start]!;
    const node = nodeOf(process, transitioning);
    working.add(transitioning);
    lines.push(
      edge(nodeOf(process, start), node, [['style', 'dotted'], ['label', process.name], ...url(process, options)]),
    );
    if (!colored.has(node)) lines.push(`${quote(node)} ${attributes([['color', 'orange']])}`);
    colored.add(node);
  }
  for (const transitioning of working) {
    const done = nodeOf(process, process.done[transitioning]!);
    lines.push(
      edge(nodeOf(process, transitioning), done, [
        ['color', 'orange'],
        ...doneLook(process, handlers),
        ...url(process, options),
      ]),
    );
  }
  return lines;
}

type Attribute = [name: string, value: string];

/** The second `color` wins in Graphviz: a process with handlers is green and bold. The two spaces keep the label off the edge. */
function doneLook(process: ProcessDefinition, { pre, handle, post }: ProcessHandlers): Attribute[] {
  const groups = Object.entries({ pre, logic: handle, post })
    .filter(([, names]) => names.length > 0)
    .map(([group, names]) => `${group}=${names.join(',')}`);
  if (groups.length === 0) return [['label', `${process.name}[no-op]  `]];
  return [
    ['label', `${process.name}[${groups.join(',')}]  `],
    ['fontname', 'times-bold'],
    ['color', 'green'],
    ['style', 'bold'],
  ];
}

/** States of other state fields carry the field's name: `allocationState:active`. */
function nodeOf(process: ProcessDefinition, state: string): string {
  return process.stateField === 'state' ? state : `${process.stateField}:${state}`;
}

function url(process: ProcessDefinition, { urlBase }: DotOptions): Attribute[] {
  return urlBase === undefined
    ? []
    : [['URL', `${urlBase}/processdefinitions/1pd!${encodeURIComponent(process.name)}`]];
}

function edge(from: string, to: string, looks: Attribute[]): string {
  return `${quote(from)} -> ${quote(to)} ${attributes(looks)}`;
}

function attributes(looks: Attribute[]): string {
  return `[${looks.map(([name, value]) => `${name}=${quote(value)}`).join(' ')}]`;
}

/** The one place that writes text into DOT: nothing in a name can end the quotes or become an escape. */
function quote(text: string): string {
  return `"${text
    .replace(/\\/g, '\\\\')
    .replace(/"/g, '\\"')
    .replace(/[\r\n]+/g, ' ')}"`;
}
