import { Controller, Get, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Base } from '../http/base-url.js';
import { Why } from './why.service.js';
import { WhyFormat, type WhyFormatName } from './why-format.js';
import { whyPage } from './why-page.js';

@Controller('v1')
export class WhyController {
  constructor(private readonly why: Why) {}

  /** Why a resource is as it is; a page for browsers. */
  @Get(':plural/:id/why')
  async read(
    @Param('plural') plural: string,
    @Param('id') id: string,
    @WhyFormat() format: WhyFormatName,
    @Base() base: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    reply.header('vary', 'Accept');
    const why = await this.why.read(plural, id, base);
    if (format === 'json') return why;
    reply.type('text/html; charset=utf-8');
    return whyPage(why);
  }
}
