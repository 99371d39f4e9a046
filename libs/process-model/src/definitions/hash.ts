import { canonicalJson } from '@drover/kernel';
import { createHash } from 'node:crypto';
import type { Document } from './document.js';

/** SHA-256 of a document's canonical JSON, hex: the same for the same content, whatever the order of its keys or the format. */
export function documentHash(document: Document): string {
  return createHash('sha256').update(canonicalJson(document)).digest('hex');
}
