import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

/** A remote end that has not answered by then is treated as unreachable: the next route is better than waiting. */
const ANSWER_MILLIS = 5_000;
/** Longest pause between two chunks before a download counts as broken. */
const STALL_MILLIS = 10_000;

/**
 * Fetches a whole body into memory (the files wanted here are below 20 MB).
 * @throws Error whose message is one line fit for a person
 */
export async function download(url) {
  const controller = new AbortController();
  const give = (millis, why) => setTimeout(() => controller.abort(new Error(why)), millis);
  let timer = give(ANSWER_MILLIS, `no answer within ${ANSWER_MILLIS / 1000} s`);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const chunks = [];
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = give(STALL_MILLIS, `stalled for ${STALL_MILLIS / 1000} s`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throw new Error(`${url}: ${error.cause?.code ?? error.message}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The sum that a SHA256SUMS text gives for a file name, or undefined. */
export function sumFor(sums, name) {
  for (const line of sums.split('\n')) {
    const [sum, file] = line.trim().split(/\s+\*?/);
    if (file === name) return sum.toLowerCase();
  }
  return undefined;
}

/**
 * One file out of a .tar.gz, by the last part of its name. Only what ustar archives of plain files need: names below
 * 100 bytes, sizes in octal.
 */
export function fileFromTarball(tarball, baseName) {
  const tar = gunzipSync(tarball);
  const text = (from, length) => tar.toString('utf8', from, from + length).replace(/\0.*$/s, '');
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const size = Number.parseInt(text(at + 124, 12), 8) || 0;
    if (text(at, 100).split('/').at(-1) === baseName && size > 0) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`the archive holds no file named ${baseName}`);
}
