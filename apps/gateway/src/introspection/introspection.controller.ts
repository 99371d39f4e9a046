import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Base, Self } from '../http/base-url.js';
import { type ListQuery, ListQueryPipe } from '../http/list-query.js';
import { PictureFormat, type PictureFormatName } from '../pictures/picture-format.js';
import { Pictures } from '../pictures/pictures.js';
import { Introspection } from './introspection.js';

@Controller(['v1/processdefinitions', 'v1/processdefinition'])
export class ProcessDefinitionsController {
  constructor(
    private readonly introspection: Introspection,
    private readonly pictures: Pictures,
  ) {}

  @Get()
  list(@Query(ListQueryPipe) query: ListQuery, @Base() base: string, @Self() self: string) {
    return this.introspection.listProcesses(query, base, self);
  }

  @Get(':id')
  read(@Param('id') id: string, @Base() base: string) {
    return this.introspection.readProcess(id, base);
  }

  @Get(':id/processdot')
  processDot(
    @Param('id') id: string,
    @PictureFormat() format: PictureFormatName,
    @Base() base: string,
    @Res() reply: FastifyReply,
  ) {
    return this.pictures.sendProcess(id, format, base, reply);
  }

  @Get(':id/resourcedot')
  resourceDot(
    @Param('id') id: string,
    @PictureFormat() format: PictureFormatName,
    @Base() base: string,
    @Res() reply: FastifyReply,
  ) {
    return this.pictures.sendTypeOfProcess(id, format, base, reply);
  }
}

@Controller(['v1/resourcedefinitions', 'v1/resourcedefinition'])
export class ResourceDefinitionsController {
  constructor(
    private readonly introspection: Introspection,
    private readonly pictures: Pictures,
  ) {}

  @Get()
  list(@Query(ListQueryPipe) query: ListQuery, @Base() base: string, @Self() self: string) {
    return this.introspection.listTypes(query, base, self);
  }

  @Get(':id')
  read(@Param('id') id: string, @Base() base: string) {
    return this.introspection.readType(id, base);
  }

  @Get(':id/processes')
  processes(
    @Param('id') id: string,
    @Query(ListQueryPipe) query: ListQuery,
    @Base() base: string,
    @Self() self: string,
  ) {
    return this.introspection.processesOfType(id, query, base, self);
  }

  @Get(':id/resourcedot')
  resourceDot(
    @Param('id') id: string,
    @PictureFormat() format: PictureFormatName,
    @Base() base: string,
    @Res() reply: FastifyReply,
  ) {
    return this.pictures.sendType(id, format, base, reply);
  }
}
