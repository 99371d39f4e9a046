#!/usr/bin/env node
/**
 * `npm test`: installs if needed, builds, and runs the suites in order, cheapest first, on servers of their own. What
 * this machine cannot run is left out and named at the end, never silently.
 *   npm test                       all suites
 *   npm test -- --suite unit,int   some of them
 *   npm test -- apps/gateway       further arguments go to vitest
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { preflight } from './lib/preflight.mjs';

const problems = preflight();
if (problems.length > 0) {
  for (const problem of problems) console.error(problem);
  process.exit(1);
}
const { build, installIfNeeded, ROOT, show } = await import('./lib/install.mjs');
const { resolveNatsServer } = await import('./lib/nats-server.mjs');
const { run } = await import('./lib/run.mjs');

const SUITES = ['unit', 'int', 'e2e', 'fault'];
/** A suite that takes longer hangs; CI gives the whole run 90 minutes. */
const SUITE_MILLIS = 25 * 60_000;
const RESULTS = join(ROOT, 'test-artifacts', 'results');

const say = (line) => console.log(line);
const { suites, rest } = parse(process.argv.slice(2));

try {
  await installIfNeeded(say);
  await build();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const leftOut = await whatIsMissing();
const runnable = suites.filter((suite) => suite === 'unit' || !leftOut.natsServer);
const outcomes = [];
for (const suite of runnable) outcomes.push(await runSuite(suite));
summarise(outcomes);

function parse(args) {
  const at = args.indexOf('--suite');
  if (at < 0) return { suites: SUITES, rest: args };
  const wanted = (args[at + 1] ?? '').split(',');
  const unknown = wanted.filter((suite) => !SUITES.includes(suite));
  if (unknown.length > 0) {
    console.error(`There is no suite "${unknown[0]}": ${SUITES.join(', ')}.`);
    process.exit(1);
  }
  return {
    suites: SUITES.filter((suite) => wanted.includes(suite)),
    rest: args.filter((_, index) => index !== at && index !== at + 1),
  };
}

/** Reasons by what is missing. The current nats-server is found first: a test of an old one must not come before it. */
async function whatIsMissing() {
  const reasons = {};
  const own = { ...process.env, DROVER_NATS_URL: '' };
  await resolveNatsServer({ env: own, say }).catch((error) => {
    reasons.natsServer = `int, e2e and fault: ${error.message}`;
  });
  if (!reasons.natsServer) {
    await resolveNatsServer({ version: '2.9', env: own, say }).catch((error) => {
      reasons.oldNats = `tests against nats-server 2.9: ${error.message.split('\n')[0]}`;
    });
  }
  return Object.assign(reasons, await languageReasons(), await clientReasons());
}

/** Command-line clients whose only use is to check what deploy/ renders. */
async function clientReasons() {
  const reasons = {};
  const kubectl = await run('kubectl', ['version', '--client']);
  if (!kubectl.ok) reasons.kubectl = `the check of deploy/k8s: kubectl is not here (${kubectl.reason})`;
  const compose = await run('docker', ['compose', 'version']);
  if (!compose.ok) reasons.compose = 'the check of docker-compose.yml by docker compose: it is not here';
  return reasons;
}

/** Python and Go for the example handlers. */
async function languageReasons() {
  const { toolchains } = await import('./lib/toolchains.mjs');
  const { pythonReason, goReason } = await toolchains();
  return { ...(pythonReason ? { python: pythonReason } : {}), ...(goReason ? { go: goReason } : {}) };
}

async function runSuite(suite) {
  const file = join(RESULTS, `${suite}.json`);
  mkdirSync(RESULTS, { recursive: true });
  rmSync(file, { force: true });
  say(`\n── ${suite} ──`);
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const started = Date.now();
  const code = await show(process.execPath, [vitest, 'run', '--project', suite, ...reporters, ...rest], {
    env: { DROVER_TEST_BUILT: '1' },
    timeoutMillis: SUITE_MILLIS,
  });
  return { suite, code, seconds: Math.round((Date.now() - started) / 1000), ...counts(file) };
}

/** A suite that leaves no result (it crashed, or was killed) counts as one failure below. */
function counts(file) {
  if (!existsSync(file)) return { passed: 0, failed: 0, skipped: 0, failures: [] };
  const result = JSON.parse(readFileSync(file, 'utf8'));
  const failures = result.testResults.flatMap(failuresOf);
  return {
    failures,
    passed: result.numPassedTests,
    failed: failures.length,
    skipped: result.numPendingTests + result.numTodoTests,
  };
}

/** The failed tests of one file of vitest's report, a line each. A file that could not be loaded has no tests, but a message. */
function failuresOf({ name, status, message, assertionResults }) {
  const line = (what, why) => `${relative(ROOT, name)}: ${what}\n    ${String(why ?? '').split('\n')[0]}`;
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (failed.length === 0 && status === 'failed') return [line('the file itself', message)];
  return failed.map((test) => line(test.fullName, test.failureMessages[0]));
}

function summarise(all) {
  // Once more, at the end: whoever has only the last lines of a run wants these.
  const failures = all.flatMap((outcome) => outcome.failures);
  if (failures.length > 0) say(`\n── failed ──\n${failures.join('\n')}`);
  say('\n── summary ──');
  for (const { suite, code, seconds, passed, failed, skipped } of all) {
    say(
      `${suite.padEnd(6)} ${code === 0 ? 'ok    ' : 'FAILED'} ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds} s)`,
    );
  }
  const reasons = Object.values(leftOut);
  if (reasons.length > 0) {
    say('\n!! LEFT OUT on this machine:');
    for (const reason of reasons) say(`!! ${reason}`);
  }
  const sum = (key) => all.reduce((total, outcome) => total + outcome[key], 0);
  const broken = all.filter((outcome) => outcome.code !== 0 && outcome.failed === 0).length;
  say(`\n${sum('passed')} passed, ${sum('failed') + broken} failed, ${sum('skipped')} skipped`);
  process.exitCode =
    all.every((outcome) => outcome.code === 0) && (!leftOut.natsServer || suites.join() === 'unit') ? 0 : 1;
}
