/**
 * Where a CPU profile's time went: node bench/dist/profile.js <file.cpuprofile> … Prints each function's own share, and
 * the same by file, packages of node_modules as one.
 */
import { readFileSync } from 'node:fs';

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
}

/** Functions and files shown. */
const TOP = 25;

for (const file of process.argv.slice(2)) {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const byFunction = new Map<string, number>();
  const byFile = new Map<string, number>();
  let total = 0;
  let busy = 0;
  profile.samples.forEach((sample, i) => {
    const frame = frames.get(sample)!;
    const micros = profile.timeDeltas[i]!;
    total += micros;
    if (frame.functionName === '(idle)') return;
    busy += micros;
    const place = placeOf(frame.url);
    add(byFunction, `${frame.functionName || '(anonymous)'}  ${place}:${frame.lineNumber + 1}`, micros);
    add(byFile, place || frame.functionName, micros);
  });
  console.log(`\n${file}: ${(busy / 1e6).toFixed(1)} s busy of ${(total / 1e6).toFixed(1)} s`);
  for (const table of [byFile, byFunction]) {
    console.log('');
    for (const [name, micros] of [...table].sort((a, b) => b[1] - a[1]).slice(0, TOP)) {
      console.log(`${((100 * micros) / busy).toFixed(1).padStart(6)} %  ${name}`);
    }
  }
}

/** The file within the workspace; of a package only its name, with the file; of Node itself the module. */
function placeOf(url: string): string {
  const path = url.replace(/^file:\/\//, '');
  const inPackages = path.lastIndexOf('/node_modules/');
  if (inPackages >= 0) return path.slice(inPackages + '/node_modules/'.length);
  return path.replace(/^.*\/(apps|libs|bench|examples)\//, '$1/');
}

function add(table: Map<string, number>, key: string, micros: number): void {
  table.set(key, (table.get(key) ?? 0) + micros);
}
