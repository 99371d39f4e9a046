import { createHash, randomBytes } from 'node:crypto';

/** `1` + type prefix + number: resource 5 of type `instance` is `1i5`. */
export function formatId(prefix: string, number: number): string {
  return `1${prefix}${number}`;
}

/** The parts of an external id, or null when the text is no id. Numbers stay below 2^53. */
export function parseId(id: string): { prefix: string; number: number } | null {
  const match = /^1([a-z]{1,64})([1-9][0-9]{0,15})$/.exec(id);
  if (match === null) return null;
  const number = Number(match[2]);
  return Number.isSafeInteger(number) ? { prefix: match[1]!, number } : null;
}

export const PROCESS_INSTANCE_PREFIX = 'pi';
export const PROCESS_EXECUTION_PREFIX = 'pe';

/** Random bytes are drawn in blocks: a draw costs a call into the system's generator, whatever its size. */
const BLOCK_BYTES = 4_096;
let block = Buffer.alloc(0);

function random(bytes: number): Buffer {
  if (block.length < bytes) block = randomBytes(BLOCK_BYTES);
  const taken = block.subarray(0, bytes);
  block = block.subarray(bytes);
  return taken;
}

/** A time-ordered UUID (RFC 9562 version 7): neighbours in time are neighbours in the index. */
export function uuidv7(nowMillis: number = Date.now()): string {
  const bytes = random(16);
  bytes.writeUIntBE(nowMillis, 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return hexUuid(bytes);
}

/** The same UUID for the same text, for ever: how an `Idempotency-Key` becomes a command id. */
export function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return hexUuid(bytes);
}

function hexUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** An unguessable subject token, 96 bits, letters and digits only. */
export function newToken(): string {
  return random(12).toString('hex');
}
