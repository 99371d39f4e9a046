import { DroverError } from '@drover/kernel';

/** Forms that an answer can take: by their names in `?format=`, and by media type. The first name is the default. */
export interface Formats<Name extends string> {
  names: readonly Name[];
  mediaTypes: Record<string, Name>;
}

/**
 * The form a client asks for: `?format=` wins over `Accept`.
 * @throws DroverError InvalidOption for an unknown `format`
 */
export function chooseFormat<Name extends string>(
  { names, mediaTypes }: Formats<Name>,
  query: unknown,
  accept: string | undefined,
): Name {
  if (query !== undefined) {
    const named = names.find((format) => format === query);
    if (named === undefined)
      throw new DroverError('InvalidOption', `format is one of ${names.join(', ')}`, { fieldName: 'format' });
    return named;
  }
  const wanted = (accept ?? '')
    .split(',')
    .map(readRange)
    .sort((a, b) => b.quality - a.quality)
    .find(({ type, quality }) => quality > 0 && Object.hasOwn(mediaTypes, type));
  return wanted === undefined ? names[0]! : mediaTypes[wanted.type]!;
}

/** One media range of an Accept header. */
function readRange(range: string): { type: string; quality: number } {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = q === undefined ? 1 : Number(q.slice(2));
  return { type, quality: Number.isNaN(quality) ? 0 : quality };
}
