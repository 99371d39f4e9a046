import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

describe('the links of the documentation', () => {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  const pages = ['README.md', ...docs.filter((file) => file.endsWith('.md')).map((file) => join('docs', file))];

  it.for(pages)('every relative link of %s leads to something', (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const dead = relativeTargets(text).filter((target) => !existsSync(join(ROOT, dirname(page), target)));
    expect(dead).toEqual([]);
  });

  it('links in code are not links, and an anchor or a title is not part of a path', () => {
    const text = [
      '[a](a.md) ![b](img/b.svg "a title") [c](c.md#part) [here](#part) [out](https://example.org/x.md)',
      '`[d](d.md)`',
      '```sh',
      'echo "[e](e.md)"',
      '```',
      '[f]: sub%20folder/f.md',
    ].join('\n');
    expect(relativeTargets(text)).toEqual(['a.md', 'img/b.svg', 'c.md', 'sub folder/f.md']);
  });
});

/** Paths that the page's links and images name, without their anchors. */
function relativeTargets(text: string): string[] {
  const prose = text.replace(/^ *(```+|~~~+).*\n[^]*?^ *\1.*$/gm, '').replace(/`[^`\n]*`/g, '');
  const links = prose.matchAll(/\]\(\s*([^)\s]+)[^)]*\)|^\[[^\]]+\]:\s*(\S+)/gm);
  const targets = [...links].map(([, inline, reference]) => (inline ?? reference)!);
  const relative = targets.filter((target) => !/^([a-z][a-z+.-]*:|#|\/\/)/i.test(target));
  return relative.map((target) => decodeURI(target.split('#')[0]!));
}
