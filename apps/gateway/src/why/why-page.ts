import { isJsonObject, type Json, type JsonObject } from '@drover/kernel';
import { escapeHtml, page } from '../pictures/html.js';

/** The answer for people: the sentence, then every fact that is set. `why` is what {@link whyJson} made. */
export function whyPage(why: JsonObject): string {
  const { message, resourceType, resourceId, processes, lastFinished, actions, links } = why;
  const title = `${String(resourceType)} ${String(resourceId)}`;
  const live = (processes as JsonObject[]).map((process) => section(String(process['processName']), process));
  const last = isJsonObject(lastFinished) ? section(`Last: ${String(lastFinished['processName'])}`, lastFinished) : '';
  const { resource, processInstances } = links as Record<string, string>;
  return page(
    `Why is ${title} as it is? · Drover`,
    `<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(String(message))}</p>
${live.join('\n')}
${last}
<section><h2>What may be done with it now</h2>${commands(actions as JsonObject)}</section>
<nav><a href="${escapeHtml(resource ?? '')}">The resource</a><a href="${escapeHtml(processInstances ?? '')}">Its processes</a><a href="?format=json">JSON</a><a href="/">Drover</a></nav>`,
  );
}

function section(title: string, facts: JsonObject): string {
  const { links, actions, ...rest } = facts;
  const self = isJsonObject(links) ? String(links['self']) : '';
  const rows = flat(rest).map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${valueHtml(value)}</td></tr>`,
  );
  const operations = isJsonObject(actions) ? `<h2>What an operator may do</h2>${commands(actions)}` : '';
  return `<section><h2><a href="${escapeHtml(self)}">${escapeHtml(title)}</a></h2><table><tbody>${rows.join('')}</tbody></table>${operations}</section>`;
}

/** Facts that are set, those of objects as `gate.scope`; times once, for people. */
function flat(facts: JsonObject, prefix = ''): [name: string, value: Json][] {
  return Object.entries(facts).flatMap(([key, value]): [string, Json][] => {
    if (value === null || value === undefined || key.endsWith('TS') || key === 'links') return [];
    if (Array.isArray(value)) return value.flatMap((one, i) => flat({ [`${key}.${i + 1}`]: one }, prefix));
    if (!isJsonObject(value)) return [[`${prefix}${key}`, value]];
    const why = isJsonObject(value['links']) ? value['links']['why'] : undefined;
    return [
      ...(why === undefined ? [] : ([[`${prefix}${key}.why`, why]] as [string, Json][])),
      ...flat(value, `${prefix}${key}.`),
    ];
  });
}

function valueHtml(value: Json): string {
  const text = escapeHtml(String(value));
  return /^https?:\/\//.test(String(value)) ? `<a href="${text}">${text}</a>` : text;
}

function commands(actions: JsonObject): string {
  const lines = Object.values(actions).map((url) => `curl -X POST '${String(url)}'`);
  return lines.length === 0
    ? '<p class="soft">Nothing.</p>'
    : `<pre><code>${escapeHtml(lines.join('\n'))}</code></pre>`;
}
