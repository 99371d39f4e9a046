import { Injectable } from '@nestjs/common';
import {
  type Phase,
  type ProcessDefinition,
  processDot,
  type ProcessHandlers,
  resourceDot,
  type TypeDefinition,
} from '@drover/process-model';
import type { FastifyReply } from 'fastify';
import { processDefinitionUrl, resourceDefinitionUrl } from '../introspection/definition-json.js';
import { HandlersOf } from '../introspection/handlers-of.js';
import { Introspection } from '../introspection/introspection.js';
import { Graphviz } from './graphviz.js';
import { escapeHtml, inlineSvg, page } from './html.js';
import type { PictureFormatName } from './picture-format.js';

/** A picture before it is drawn. */
interface Picture {
  title: string;
  dot: string;
  /** where the definition is read */
  definition: string;
  /** what the page says about related resources, a line each */
  related: string[];
}

/** The machines as DOT, as SVG and as a page. */
@Injectable()
export class Pictures {
  constructor(
    private readonly introspection: Introspection,
    private readonly handlers: HandlersOf,
    private readonly graphviz: Graphviz,
  ) {}

  /** One process. */
  async sendProcess(id: string, format: PictureFormatName, base: string, reply: FastifyReply): Promise<void> {
    const { process, type } = await this.introspection.processOf(id);
    const handlersOf = await this.handlersByPhase();
    const dot = processDot(type, process, handlersOf(process.name), { urlBase: base });
    await this.send(
      { title: process.name, dot, definition: processDefinitionUrl(base, process.name), related: relatedWork(process) },
      format,
      reply,
    );
  }

  /** All processes of the type that a process belongs to. */
  async sendTypeOfProcess(id: string, format: PictureFormatName, base: string, reply: FastifyReply): Promise<void> {
    const { type } = await this.introspection.processOf(id);
    await this.sendType(type.name, format, base, reply);
  }

  /** All processes of a type. */
  async sendType(id: string, format: PictureFormatName, base: string, reply: FastifyReply): Promise<void> {
    const type = await this.introspection.typeOf(id);
    await this.send(
      {
        title: type.name,
        dot: await this.dotOfType(type.name, base),
        definition: resourceDefinitionUrl(base, type.name),
        related: [...relationships(type), ...Object.values(type.processes).flatMap(relatedWork)],
      },
      format,
      reply,
    );
  }

  /** The drawing of one type, for a page. */
  async svgOfType(name: string, base: string): Promise<string> {
    return inlineSvg(await this.graphviz.svg(await this.dotOfType(name, base)));
  }

  private async dotOfType(name: string, base: string): Promise<string> {
    return resourceDot(await this.introspection.typeOf(name), await this.handlersByPhase(), { urlBase: base });
  }

  private async handlersByPhase(): Promise<(processName: string) => ProcessHandlers> {
    const stepsOf = await this.handlers.lookUp();
    return (processName) => {
      const steps = stepsOf(processName);
      const named = (phase: Phase): string[] =>
        steps.filter((step) => step.phase === phase).map(({ handler }) => handler.name);
      return { pre: named('pre'), handle: named('handle'), post: named('post') };
    };
  }

  private async send(
    { title, dot, definition, related }: Picture,
    format: PictureFormatName,
    reply: FastifyReply,
  ): Promise<void> {
    reply.header('vary', 'Accept');
    switch (format) {
      case 'dot':
        return void reply.type('text/plain; charset=utf-8').send(dot);
      case 'svg':
        return void reply.type('image/svg+xml; charset=utf-8').send(await this.graphviz.svg(dot));
      case 'html':
        return void reply
          .type('text/html; charset=utf-8')
          .send(picturePage(title, inlineSvg(await this.graphviz.svg(dot)), dot, definition, related));
    }
  }
}

/** The relationships of a type, in words. */
export function relationships(type: TypeDefinition): string[] {
  return Object.entries(type.relationships).map(([name, relationship]) => {
    switch (relationship.kind) {
      case 'reference':
        return `${name}: the ${relationship.type} that ${relationship.field} names`;
      case 'list':
        return `${name}: the resources of the type ${relationship.type} whose ${relationship.by} names this one`;
      case 'through':
        return `${name}: resources of the type ${relationship.type}, by way of ${relationship.through}`;
    }
  });
}

/** What a process does with related resources, in words. */
export function relatedWork({ name, related, include, refuseWhile }: ProcessDefinition): string[] {
  const when = { before: 'before its handlers', with: 'beside its handlers', after: 'after its handlers' };
  return [
    ...related.map((work) => {
      const states = work.states === null ? '' : ` that are ${work.states.join(' or ')}`;
      return `${name} runs ${work.process} on ${work.forEach}${states}, ${when[work.when]}, in ${work.order}`;
    }),
    ...(include.length === 0 ? [] : [`${name} sends ${include.join(', ')} along to its handlers`]),
    ...(refuseWhile.length === 0 ? [] : [`${name} is refused while ${refuseWhile.join(' or ')} is not empty`]),
  ];
}

function picturePage(title: string, svg: string, dot: string, definition: string, related: string[]): string {
  const notes = related.map((line) => `<li>${escapeHtml(line)}</li>`).join('');
  return page(
    `${title} · Drover`,
    `<h1>${escapeHtml(title)}</h1>
<p class="soft">Dotted: a process begins. Coloured: it ends, with the handlers that do the work.</p>
<figure>${svg}</figure>
${notes === '' ? '' : `<h2>Related resources</h2><ul>${notes}</ul>\n`}<nav><a href="${escapeHtml(definition)}">Definition</a><a href="?format=svg">SVG</a><a href="?format=dot">DOT</a><a href="/">Drover</a></nav>
<details><summary>DOT</summary><pre><code>${escapeHtml(dot)}</code></pre></details>`,
  );
}
