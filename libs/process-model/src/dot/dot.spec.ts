import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileType } from '../definitions/compile.js';
import type { ResourceTypeDocument } from '../definitions/document.js';
import { parseDocuments } from '../definitions/parse.js';
import type { TypeDefinition } from '../definitions/types.js';
import { processDot, resourceDot } from './dot.js';

const urlBase = 'http://h/v1';
const example = readFileSync(new URL('../../../../examples/definitions/instance.yaml', import.meta.url), 'utf8');
const [document] = parseDocuments(example, { format: 'yaml' }) as ResourceTypeDocument[];
const instance = compileType(document!, { version: 1, system: false });
const demo = (name: string) => ({
  pre: name === 'instance.stop' ? ['drain'] : [],
  handle: name === 'instance.start' ? ['network', 'demo'] : [],
  post: name.endsWith('.remove') ? ['SetRemovedFields'] : [],
});

/** UPDATE_GOLDEN=1 writes the file anew. */
function expectGolden(file: string, text: string): void {
  const path = new URL(file, import.meta.url);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, 'utf8'));
}

describe('DOT', () => {
  it('a whole type looks as in Cattle', () => {
    expectGolden('instance.golden.dot', resourceDot(instance, demo, { urlBase }));
  });

  it('one process looks as in Cattle', () => {
    expectGolden(
      'instance-start.golden.dot',
      processDot(instance, instance.processes['start']!, demo('instance.start'), { urlBase }),
    );
  });

  it('without handlers the done edge says no-op and stays orange; without urlBase there are no links', () => {
    expect(processDot(instance, instance.processes['allocate']!)).toBe(
      [
        'digraph "instance" {',
        '  "allocationState:inactive" -> "allocationState:activating" [style="dotted" label="instance.allocate"];',
        '  "allocationState:activating" [color="orange"];',
        '  "allocationState:activating" -> "allocationState:active" [color="orange" label="instance.allocate[no-op]  "];',
        '}',
        '',
      ].join('\n'),
    );
  });

  it('a name cannot end the quotes', () => {
    const dot = processDot(instance, instance.processes['start']!, { pre: [], handle: ['a"];x\\', 'b\nc'], post: [] });
    expect(dot).toContain('logic=a\\"];x\\\\,b c]');
  });

  it('transitioning states are coloured once in a picture', () => {
    const type: TypeDefinition = compileType(
      {
        apiVersion: 'drover/v1',
        kind: 'ResourceType',
        name: 'disk',
        processes: { reactivate: { start: ['active'], transitioning: 'activating', done: 'active' } },
      },
      { version: 1, system: false },
    );
    expect(resourceDot(type).match(/"activating" \[color/g)).toHaveLength(1);
  });
});
