/**
 * The methods of a known path shape under `/v1`, or null for a path that nothing serves. A router without a route for the method
 * says "not found"; the client deserves to hear that only its method is wrong.
 */
export function allowedMethods(path: string): string[] | null {
  const [root, ...rest] = path.split('/').filter((segment) => segment !== '');
  if (root === undefined) return ['GET', 'HEAD'];
  if (root.toLowerCase() !== 'v1') return null;
  return (
    [
      ['GET', 'HEAD'],
      ['GET', 'HEAD', 'POST'],
      ['GET', 'HEAD', 'PUT', 'DELETE', 'POST'],
      ['GET', 'HEAD'],
    ][rest.length] ?? null
  );
}
