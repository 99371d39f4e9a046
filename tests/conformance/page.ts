import { format } from 'prettier';
import { EXIT_REASONS, type ExitReason } from '@drover/process-model';
import type { Area } from './scenario.js';
import { EXITS, type Rule, type RuleGroup } from './rules.js';

/** The page of all scenarios, docs/reference/conformance.md. */
export async function conformancePage(areas: readonly Area[]): Promise<string> {
  const count = areas.reduce((sum, { scenarios }) => sum + scenarios.length, 0);
  const head = `# What Drover promises, scenario by scenario

The rules of the process semantics, ${count} of them. Each is a test of the same name that runs against the real services, PostgreSQL and
nats-server: \`npx vitest run --project e2e tests/conformance\`. This page is made from those tests
(\`npx vitest run --project unit tests/conformance -u\`); do not edit it. [Which rule each of them is for](rules.md).
`;
  const sections = areas.map(({ title, about, scenarios }) => {
    const items = scenarios.map(
      ({ name, given, when, then }) =>
        `- **${escaped(name)}**\n  - given ${escaped(given)}\n  - when ${escaped(when)}\n  - then ${escaped(then)}`,
    );
    return `## ${title}\n\n${about}\n\n${items.join('\n')}\n`;
  });
  return page([head, ...sections]);
}

/** The page of all rules, docs/reference/rules.md. */
export async function rulesPage(groups: readonly RuleGroup[]): Promise<string> {
  const head = `# The rules, and what shows them

The process semantics sentence by sentence, the invariants, the exit reasons, the clocks and what operators are refused; below each what
fails when it is broken: [scenarios](conformance.md) by their names, other tests by their files. This page is made from
\`tests/conformance/rules.ts\` (\`npx vitest run --project unit tests/conformance -u\`); do not edit it.
`;
  const sections = groups.map(
    ({ title, about, rules }) => `## ${title}\n\n${about}\n\n${rules.map(ruleItem).join('\n')}\n`,
  );
  const rows = Object.entries(EXITS).map(([reason, exit]) => {
    const { terminal, result } = EXIT_REASONS[reason as ExitReason];
    const shown = 'never' in exit ? `never: ${exit.never}` : exit.shownBy.map(escaped).join('; ');
    return `| \`${reason}\` | ${terminal ? String(result) : 'the process goes on'} | ${shown} |`;
  });
  const exits = `## Exit reasons\n\n| reason | result | reached in |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
  return page([head, ...sections, exits]);
}

function ruleItem({ rule, shownBy }: Rule): string {
  const items = shownBy.map((one) =>
    typeof one === 'string' ? `  - ${escaped(one)}` : `  - \`${one.file}\`: ${escaped(one.title)}`,
  );
  return `- **${escaped(rule)}**\n${items.join('\n')}`;
}

function page(parts: string[]): Promise<string> {
  return format(parts.join('\n'), { parser: 'markdown', printWidth: 140, proseWrap: 'preserve' });
}

/** Markdown's own characters, outside code. */
function escaped(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll(/[*_[\]<>]/g, '\\$&')))
    .join('');
}
