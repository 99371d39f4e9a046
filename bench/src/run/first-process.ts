/** Creates resources of one type over HTTP, one after the other: prints how long the first and the following took to their ends. */
import { readConfig } from './config.js';
import { median } from './ratio.js';
import { round } from './result.js';

const FOLLOWING = 20;

const { httpUrl, type } = readConfig<{ httpUrl: string; type: string }>();

/** Creates one and waits until its create process has ended. @returns milliseconds */
async function one(): Promise<number> {
  const began = performance.now();
  const response = await fetch(`${httpUrl}/v1/${type.toLowerCase()}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=60' },
    body: '{}',
  });
  const resource = (await response.json()) as { state?: string };
  if (response.status !== 201 || resource.state !== 'idle')
    throw new Error(`creating a ${type}: ${response.status} ${JSON.stringify(resource)}`);
  return performance.now() - began;
}

const first = await one();
const following: number[] = [];
for (let i = 0; i < FOLLOWING; i++) following.push(await one());
console.log(JSON.stringify({ firstProcessMillis: round(first, 1), nextProcessMillis: round(median(following), 1) }));
