#!/usr/bin/env node
/**
 * `npm start`: everything on this machine, from a fresh clone, with one command. Imports only Node's own modules (and
 * tools/lib, which does the same), because it also installs what the rest needs.
 */
import { preflight } from './lib/preflight.mjs';

const problems = preflight();
if (problems.length > 0) {
  for (const problem of problems) console.error(problem);
  process.exit(1);
}
// Only now: an older Node could not even read the rest.
const { launch } = await import('./lib/launcher.mjs');
await launch();
