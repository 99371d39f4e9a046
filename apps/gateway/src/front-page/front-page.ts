import { Injectable } from '@nestjs/common';
import { type PauseRow, readSummary, type StuckProcess, type Summary } from '@drover/contracts';
import type { Json } from '@drover/kernel';
import type { FieldDefinition, TypeDefinition } from '@drover/process-model';
import { Backend } from '../backend/backend.js';
import { Log } from '../log.js';
import { escapeHtml, page } from '../pictures/html.js';
import { Pictures } from '../pictures/pictures.js';
import { Registry } from '../registry/registry.js';
import { collectionUrl, resourceUrl } from '../resources/resource-json.js';

/** `GET /`: for people. Whatever cannot be read is left out, never an error page. */
@Injectable()
export class FrontPage {
  constructor(
    private readonly registry: Registry,
    private readonly backend: Backend,
    private readonly pictures: Pictures,
    private readonly log: Log,
  ) {}

  async html(base: string): Promise<string> {
    const snapshot = await this.orNull(this.registry.snapshot());
    const types = snapshot?.types.all() ?? [];
    const shown = types.find(({ name }) => name === 'instance') ?? types.find(({ system }) => !system);
    const [summary, svg] = await Promise.all([
      this.orNull(this.backend.call(readSummary, {})),
      shown === undefined ? null : this.orNull(this.pictures.svgOfType(shown.name, base)),
    ]);
    return page(
      'Drover',
      [
        heading(summary),
        paused(snapshot?.pauses ?? []),
        stuck(summary, types, base),
        picture(shown, svg),
        running(summary, types, base),
        nextSteps(shown, base),
      ].join('\n'),
    );
  }

  private async orNull<T>(promise: Promise<T>): Promise<T | null> {
    try {
      return await promise;
    } catch (error) {
      this.log.warn({ err: error }, 'a part of the front page cannot be shown');
      return null;
    }
  }
}

const atLeast = ({ count, more }: { count: number; more: boolean }): string =>
  more ? `more than ${count}` : String(count);

function heading(summary: Summary | null): string {
  const count = summary?.live.reduce((sum, status) => sum + status.count, 0) ?? 0;
  const live = atLeast({ count, more: summary?.live.some(({ more }) => more) ?? false });
  const state =
    summary === null ? 'The services behind the gateway do not answer right now.' : `${live} processes are running.`;
  return `<h1>Drover</h1><p class="soft">Resource lifecycle orchestrator. ${state}</p>`;
}

/** Nobody should have to guess why nothing moves. */
function paused(pauses: readonly PauseRow[]): string {
  if (pauses.length === 0) return '';
  const items = pauses.map(({ scope, operator, reason }) => {
    const why = reason === null ? '' : `: ${escapeHtml(reason)}`;
    return `<li><code>${escapeHtml(scope)}</code> by ${escapeHtml(operator ?? 'an operator')}${why}</li>`;
  });
  return `<section><h2>Paused</h2><p>No attempt begins in these scopes: <a href="/v1/pauses">pauses</a>.</p><ul>${items.join('')}</ul></section>`;
}

/** What waits for somebody, each with the page that says why. */
function stuck(summary: Summary | null, types: TypeDefinition[], base: string): string {
  const items = (summary?.stuck ?? []).flatMap((process) => {
    const type = types.find(({ name }) => name === process.resourceType);
    return type === undefined ? [] : [stuckItem(process, resourceUrl(base, type, process.resourceId))];
  });
  if (items.length === 0) return '';
  return `<section><h2>What needs somebody</h2><ul>${items.join('')}</ul></section>`;
}

function stuckItem({ name, status, waitingHandler, heldBy, errorMessage }: StuckProcess, url: string): string {
  const about = { parked: errorMessage, waitingHandler, held: heldBy } as Partial<Record<string, string | null>>;
  const text = [status, about[status]].filter(Boolean).join(': ');
  const id = url.slice(url.lastIndexOf('/') + 1);
  return `<li><a href="${escapeHtml(url)}/why">${escapeHtml(`${name} of ${id}`)}</a>: ${escapeHtml(text)}</li>`;
}

function picture(type: TypeDefinition | undefined, svg: string | null): string {
  if (type === undefined || svg === null) return '';
  const name = escapeHtml(type.name);
  return `<section><h2>The machine of <code>${name}</code></h2>
<p class="soft">Dotted: a process begins. Coloured: it ends, with the handlers that do the work. Each arrow leads to its definition.</p>${svg}
<p><a href="/v1/resourcedefinitions/1rd!${name}/resourcedot?format=html">On a page of its own</a></p></section>`;
}

function running(summary: Summary | null, types: TypeDefinition[], base: string): string {
  if (summary === null) return '';
  const rows = summary.resources.map(({ type, state, count, more }) => {
    const definition = types.find(({ name }) => name === type);
    const url =
      definition === undefined ? null : `${collectionUrl(base, definition)}?state=${encodeURIComponent(state)}`;
    const label = url === null ? escapeHtml(type) : `<a href="${escapeHtml(url)}">${escapeHtml(type)}</a>`;
    return `<tr><td>${label}</td><td>${escapeHtml(state)}</td><td class="number">${atLeast({ count, more })}</td></tr>`;
  });
  const live =
    summary.live.map(({ status, ...count }) => `${atLeast(count)} ${escapeHtml(status)}`).join(', ') || 'none';
  return `<section><h2>What runs</h2><p>Live processes: ${live}. <a href="/v1/processinstances">All processes</a></p>
<table><thead><tr><th scope="col">Type</th><th scope="col">State</th><th scope="col" class="number">Resources</th></tr></thead>
<tbody>${rows.join('') || '<tr><td colspan="3" class="soft">Nothing yet.</td></tr>'}</tbody></table></section>`;
}

function nextSteps(type: TypeDefinition | undefined, base: string): string {
  const plural = (type?.plural ?? 'instances').toLowerCase();
  const url = `${escapeHtml(base)}/${escapeHtml(plural)}`;
  return `<section><h2>The API</h2><ul>
<li><a href="/v1">API root</a>, with a link to every collection</li>
<li><a href="/v1/resourcedefinitions">Resource types</a> and <a href="/v1/processdefinitions">their processes</a></li>
<li><a href="/v1/definitions">Definitions</a>: declare a type with one POST</li>
<li><a href="/v1/processinstances">Processes</a>, live and finished, with every attempt</li>
<li><a href="/v1/externalhandlers">External handlers</a>, in any language over NATS</li></ul></section>
<section><h2>Next steps</h2>
<p>Create a resource and wait for its process to end:</p>
<pre><code>curl -s -X POST ${url} -H 'Content-Type: application/json' -H 'Prefer: wait=30' -d '${escapeHtml(sampleBody(type))}'</code></pre>
<p>Declare a type of your own; its default processes come with it:</p>
<pre><code>curl -s -X POST ${escapeHtml(base)}/definitions -H 'Content-Type: application/yaml' --data-binary $'apiVersion: drover/v1\\nkind: ResourceType\\nname: widget\\n'</code></pre>
<p>The documentation is in the folder <code>docs/</code> of the repository: start with <code>docs/architecture/life-of-a-request.md</code>; the HTTP reference is <code>docs/reference/http.md</code>.</p></section>`;
}

/** A body that the type accepts, as far as its required fields can be guessed. */
function sampleBody(type: TypeDefinition | undefined): string {
  const required = Object.entries(type?.fields ?? {}).filter(
    ([, field]) => field.required === true && field.default === undefined,
  );
  const fields = required.map(([name, field]) => [name, name === 'imageUuid' ? 'docker:nginx' : sampleValue(field)]);
  return JSON.stringify({ name: 'first', ...Object.fromEntries(fields) });
}

function sampleValue({ type, options, min, to }: FieldDefinition): Json {
  if (type === 'int' || type === 'float') return min ?? 1;
  if (type === 'boolean') return true;
  if (type === 'enum') return options?.[0] ?? '';
  if (type === 'map' || type === 'json') return {};
  if (type === 'array') return [];
  if (type === 'date') return '2026-01-31T12:00:00Z';
  return type === 'reference' ? `<id of a ${to ?? 'resource'}>` : 'text';
}
