import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';
import type { JsonObject } from '@drover/kernel';
import { Base, Self } from '../http/base-url.js';
import { type ListQuery, ListQueryPipe } from '../http/list-query.js';
import { DefinitionBodyPipe } from './definition-body.js';
import { Definitions } from './definitions.js';

@Controller(['v1/definitions', 'v1/definition'])
export class DefinitionsController {
  constructor(private readonly definitions: Definitions) {}

  @Get()
  list(@Query(ListQueryPipe) query: ListQuery, @Base() base: string, @Self() self: string) {
    return this.definitions.list(query, base, self);
  }

  @Post()
  create(@Body(DefinitionBodyPipe) document: JsonObject, @Base() base: string) {
    return this.definitions.create(document, base);
  }

  @Get(':name')
  read(@Param('name') name: string, @Base() base: string) {
    return this.definitions.read(name, base);
  }

  @Put(':name')
  update(@Param('name') name: string, @Body(DefinitionBodyPipe) document: JsonObject, @Base() base: string) {
    return this.definitions.update(name, document, base);
  }

  @Delete(':name')
  remove(@Param('name') name: string, @Base() base: string) {
    return this.definitions.remove(name, base);
  }
}
