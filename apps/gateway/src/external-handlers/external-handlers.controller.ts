import { Controller, Get, Param, Post, Put } from '@nestjs/common';
import { Base } from '../http/base-url.js';
import { AnyBody } from '../http/body.js';
import { Command, type CommandOptions } from '../http/command-headers.js';
import type { RequestBody } from '../http/form.js';
import { ExternalHandlers } from './external-handlers.js';

/** What of external handlers is more than a resource; the rest is with the resources. */
@Controller(['v1/externalhandlers', 'v1/externalhandler'])
export class ExternalHandlersController {
  constructor(private readonly handlers: ExternalHandlers) {}

  @Post()
  create(@AnyBody() body: RequestBody, @Command() options: CommandOptions, @Base() base: string) {
    return this.handlers.create(body, options, base);
  }

  @Get(':id')
  read(@Param('id') id: string, @Base() base: string) {
    return this.handlers.read(id, base);
  }

  @Put(':id')
  update(
    @Param('id') id: string,
    @AnyBody() body: RequestBody,
    @Command() options: CommandOptions,
    @Base() base: string,
  ) {
    return this.handlers.update(id, body, options, base);
  }
}
