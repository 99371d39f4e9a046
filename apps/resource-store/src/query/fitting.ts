/** An answer's size, bytes: well under the broker's usual limit of 1 MB. */
export const MAX_ANSWER_BYTES = 700 * 1024;

/**
 * The longest front part of a list that fits into one answer; always at least one.
 * @param maxBytes of JSON (UTF-8)
 */
export function fitting<T>(list: T[], maxBytes: number = MAX_ANSWER_BYTES): { kept: T[]; cut: T[] } {
  let bytes = 0;
  for (let i = 0; i < list.length; i++) {
    bytes += Buffer.byteLength(JSON.stringify(list[i])) + 1;
    if (bytes > maxBytes && i > 0) return { kept: list.slice(0, i), cut: list.slice(i) };
  }
  return { kept: list, cut: [] };
}
