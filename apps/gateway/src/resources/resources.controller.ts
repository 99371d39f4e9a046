import { Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import type { JsonObject } from '@drover/kernel';
import { Base, Self } from '../http/base-url.js';
import { AnyBody, ObjectBody } from '../http/body.js';
import type { RequestBody } from '../http/form.js';
import { Command, type CommandOptions } from '../http/command-headers.js';
import { type ListQuery, ListQueryPipe } from '../http/list-query.js';
import { type Action, ActionQuery } from './action-query.js';
import { ResourceCommands } from './resource-commands.js';
import { ResourceLists } from './resource-lists.js';
import { ResourceReads } from './resource-reads.js';

/** Resources of every declared type. Paths ignore case and take singular or plural. */
@Controller('v1')
export class ResourcesController {
  constructor(
    private readonly lists: ResourceLists,
    private readonly reads: ResourceReads,
    private readonly commands: ResourceCommands,
  ) {}

  @Get(':plural')
  list(
    @Param('plural') plural: string,
    @Query(ListQueryPipe) query: ListQuery,
    @Base() base: string,
    @Self() self: string,
  ) {
    return this.lists.list(plural, query, base, self);
  }

  /** 201: inserted and its create process begun, both durable. */
  @Post(':plural')
  create(
    @Param('plural') plural: string,
    @AnyBody() body: RequestBody,
    @Command() options: CommandOptions,
    @Base() base: string,
  ) {
    return this.commands.create(plural, body, options, base);
  }

  @Get(':plural/:id')
  read(@Param('plural') plural: string, @Param('id') id: string, @Base() base: string) {
    return this.reads.read(plural, id, base);
  }

  @Put(':plural/:id')
  update(
    @Param('plural') plural: string,
    @Param('id') id: string,
    @AnyBody() body: RequestBody,
    @Command() options: CommandOptions,
    @Base() base: string,
  ) {
    return this.commands.update(plural, id, body, options, base);
  }

  @Delete(':plural/:id')
  remove(
    @Param('plural') plural: string,
    @Param('id') id: string,
    @ObjectBody() body: JsonObject,
    @Command() options: CommandOptions,
    @Base() base: string,
  ) {
    return this.commands.remove(plural, id, body, options, base);
  }

  /** 202: accepted and durable, not done; watch the resource's state. */
  @Post(':plural/:id')
  @HttpCode(202)
  act(
    @Param('plural') plural: string,
    @Param('id') id: string,
    @ActionQuery() action: Action,
    @ObjectBody() data: JsonObject,
    @Command() options: CommandOptions,
    @Base() base: string,
  ) {
    return this.commands.act(plural, id, action, data, options, base);
  }

  @Get(':plural/:id/:link')
  follow(
    @Param('plural') plural: string,
    @Param('id') id: string,
    @Param('link') link: string,
    @Query(ListQueryPipe) query: ListQuery,
    @Base() base: string,
    @Self() self: string,
  ) {
    return this.reads.follow(plural, id, link, query, base, self);
  }
}
