/** Renders the DOT files beside it to SVG: node docs/images/render.mjs */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Graphviz } from '@hpcc-js/wasm-graphviz';

const graphviz = await Graphviz.load();
for (const name of readdirSync(import.meta.dirname).filter((file) => file.endsWith('.dot'))) {
  const svg = graphviz.dot(readFileSync(`${import.meta.dirname}/${name}`, 'utf8'));
  writeFileSync(`${import.meta.dirname}/${name.replace(/dot$/, 'svg')}`, svg);
}
