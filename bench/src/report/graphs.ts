/**
 * Draws docs/benchmarks/results.jsonl, or the file named, as SVG beside it, each picture for light and for dark pages, and
 * writes the page that shows them: `npm run bench:graphs [-- file.jsonl]`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { concurrency, foot, history, type Option, peers, SIZE, THEMES } from './charts.js';
import { readLines } from './lines.js';

use([LineChart, BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const PICTURES = {
  concurrency: { draw: concurrency, alt: 'Throughput, latency and processor time against concurrency' },
  history: { draw: history, alt: 'Throughput, latency and processor time against the length of the history' },
  peers: { draw: peers, alt: 'Throughput, latency and processor time beside other engines' },
};

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const file = resolve(process.argv[2] ?? join(ROOT, 'docs/benchmarks/results.jsonl'));
const folder = dirname(file);
const lines = readLines(await readFile(file, 'utf8'));
const drawn: string[] = [];
for (const [name, { draw, alt }] of Object.entries(PICTURES)) {
  const light = draw(lines, THEMES.light);
  const dark = draw(lines, THEMES.dark);
  if (light === null || dark === null) {
    console.error(`${name}: no run in ${file} has what it needs`);
    continue;
  }
  await writeFile(join(folder, `${name}.svg`), svg(light));
  await writeFile(join(folder, `${name}-dark.svg`), svg(dark));
  drawn.push(
    `<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="${name}-dark.svg">\n` +
      `  <img alt="${alt}" src="${name}.svg">\n</picture>\n`,
  );
  console.log(join(folder, `${name}.svg`));
}
const head =
  '# Benchmarks, drawn\n\nMade by `npm run bench:graphs` from [results.jsonl](results.jsonl); [README](README.md) says how to read it.\n';
const body = drawn.length === 0 ? ['No run has been saved yet (`npm run bench -- --save`).\n'] : drawn;
await writeFile(join(folder, 'graphs.md'), [head, ...body].join('\n'));
if (lines.length > 0) console.log(foot(lines));

function svg(option: Option): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...SIZE });
  chart.setOption(option);
  const text = chart.renderToSVGString();
  chart.dispose();
  return `${text}\n`;
}
