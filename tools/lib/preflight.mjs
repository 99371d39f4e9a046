/** What this machine must have before anything is installed. One plain sentence per problem. */

/** The releases of `engines` in package.json, each with the least minor that loads ES modules by `require`. */
const NODES = [
  [20, 19],
  [22, 12],
  [24, 11],
];

export function preflight({
  version = process.versions.node,
  platform = process.platform,
  glibc = hasGlibc(),
  env = process.env,
} = {}) {
  const problems = [];
  const [major, minor] = version.split('.').map(Number);
  const fits = NODES.some(([wanted, least]) => major === wanted && minor >= least) || major > 24;
  if (!fits)
    problems.push(`Node ${version} is too old or not a long-term release: install Node 20.19, 22.12, 24.11 or newer.`);
  if (platform === 'win32')
    problems.push('Windows is supported through WSL2: run this inside a Linux distribution there.');
  else if (platform !== 'linux' && platform !== 'darwin')
    problems.push(`Drover's local servers run on Linux and macOS, not on ${platform}.`);
  const external = env.DROVER_DATABASE_URL && env.DROVER_NATS_URL;
  if (platform === 'linux' && !glibc && !external) {
    problems.push(
      'This Linux has no glibc (Alpine?): use a glibc distribution, or set DROVER_DATABASE_URL and DROVER_NATS_URL.',
    );
  }
  return problems;
}

function hasGlibc() {
  if (process.platform !== 'linux' || !process.report) return true;
  process.report.excludeNetwork = true;
  return Boolean(process.report.getReport().header.glibcVersionRuntime);
}
