import { format } from 'prettier';
import type { Area } from './scenario.js';

/** The page of all scenarios, docs/reference/conformance.md. */
export async function conformancePage(areas: readonly Area[]): Promise<string> {
  const count = areas.reduce((sum, { scenarios }) => sum + scenarios.length, 0);
  const head = `# What Drover promises, scenario by scenario

The rules of the process semantics, ${count} of them. Each is a test of the same name that runs against the real services, PostgreSQL and
nats-server: \`npx vitest run --project e2e tests/conformance\`. This page is made from those tests
(\`npx vitest run --project unit tests/conformance -u\`); do not edit it.
`;
  const sections = areas.map(({ title, about, scenarios }) => {
    const items = scenarios.map(
      ({ name, given, when, then }) =>
        `- **${escaped(name)}**\n  - given ${escaped(given)}\n  - when ${escaped(when)}\n  - then ${escaped(then)}`,
    );
    return `## ${title}\n\n${about}\n\n${items.join('\n')}\n`;
  });
  return format([head, ...sections].join('\n'), { parser: 'markdown', printWidth: 140, proseWrap: 'preserve' });
}

/** Markdown's own characters, outside code. */
function escaped(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll(/[*_[\]<>]/g, '\\$&')))
    .join('');
}
