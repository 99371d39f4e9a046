/** Text as it may stand in HTML, also inside a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The drawing without the XML prologue, for a page. */
export function inlineSvg(svg: string): string {
  const start = svg.indexOf('<svg');
  return start < 0 ? '' : svg.slice(start);
}

const STYLE = `
  :root { color-scheme: light; --ink: #1b2733; --soft: #5b6b7b; --line: #d9e0e7; --accent: #0a6ebd; --paper: #fff; --ground: #f4f6f8; }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
  main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
  h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
  p { margin: .4rem 0; } .soft { color: var(--soft); }
  a { color: var(--accent); } a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  section, figure { background: var(--paper); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.25rem; margin: 1rem 0; overflow-x: auto; }
  section h2 { margin-top: 0; } figure svg { max-width: 100%; height: auto; display: block; margin: 0 auto; }
  table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
  td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
  pre { background: #10202e; color: #e8eef4; border-radius: .5rem; padding: .8rem 1rem; overflow-x: auto; } code { font: .9em ui-monospace, SFMono-Regular, Menlo, monospace; }
  ul { padding-left: 1.2rem; } nav a { margin-right: 1rem; }
`;

/** A whole page, self-contained: nothing is loaded from anywhere. `body` is HTML; `title` is text. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}
