const READ = ['GET', 'HEAD'];

/** By the number of segments after `/v1/<collection>`. */
type Shapes = readonly (readonly string[])[];

const RESOURCES: Shapes = [[...READ, 'POST'], [...READ, 'PUT', 'DELETE', 'POST'], READ];
const READ_ONLY: Shapes = [READ, READ, READ];

/** What is no collection of resources; singular and plural are one. */
const OTHERS = new Map<string, Shapes>([
  ['processdefinition', READ_ONLY],
  ['resourcedefinition', READ_ONLY],
  ['processinstance', [READ, [...READ, 'POST'], READ]],
  ['processexecution', [READ, READ]],
  [
    'pause',
    [
      [...READ, 'POST'],
      [...READ, 'DELETE'],
      [...READ, 'DELETE'],
    ],
  ],
  [
    'definition',
    [
      [...READ, 'POST'],
      [...READ, 'PUT', 'DELETE'],
    ],
  ],
]);

/**
 * The methods of a known path shape under `/v1`, or null for a path that nothing serves. A router without a route for the method
 * says "not found"; the client deserves to hear that only its method is wrong.
 */
export function allowedMethods(path: string): readonly string[] | null {
  const [root, collection, ...rest] = path
    .toLowerCase()
    .split('/')
    .filter((segment) => segment !== '');
  if (root === undefined) return READ;
  if (root !== 'v1') return null;
  if (collection === undefined) return READ;
  return (OTHERS.get(collection.replace(/s$/, '')) ?? RESOURCES)[rest.length] ?? null;
}
