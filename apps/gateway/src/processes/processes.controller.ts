import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import type { OperatorAction } from '@drover/contracts';
import { Base, Self } from '../http/base-url.js';
import { ObjectBody } from '../http/body.js';
import { Command, type CommandOptions } from '../http/command-headers.js';
import { type ListQuery, ListQueryPipe } from '../http/list-query.js';
import { valid } from '../http/validation.js';
import { OperateBody, OperatorActionPipe } from './operate-body.js';
import { ExecutionsQueryPipe, type ExecutionsQuery } from './executions-query.js';
import { ProcessInstances } from './process-instances.service.js';

@Controller(['v1/processinstances', 'v1/processinstance'])
export class ProcessInstancesController {
  constructor(private readonly processes: ProcessInstances) {}

  @Get()
  list(@Query(ListQueryPipe) query: ListQuery, @Base() base: string, @Self() self: string) {
    return this.processes.list(query, base, self);
  }

  @Get(':id')
  read(@Param('id') id: string, @Base() base: string) {
    return this.processes.one(id, base);
  }

  /** 202: the operator's act is durable. */
  @Post(':id')
  @HttpCode(202)
  operate(
    @Param('id') id: string,
    @Query('action', OperatorActionPipe) action: OperatorAction,
    @ObjectBody(valid(OperateBody, { whitelistValidation: 'InvalidField' })) body: OperateBody,
    @Command() options: CommandOptions,
    @Base() base: string,
  ) {
    return this.processes.operate(id, action, body.state ?? null, options, base);
  }

  @Get(':id/processexecutions')
  executions(
    @Param('id') id: string,
    @Query(ListQueryPipe) query: ListQuery,
    @Base() base: string,
    @Self() self: string,
  ) {
    return this.processes.executions(id, query, base, self);
  }
}

@Controller(['v1/processexecutions', 'v1/processexecution'])
export class ProcessExecutionsController {
  constructor(private readonly processes: ProcessInstances) {}

  @Get()
  list(@Query(ExecutionsQueryPipe) query: ExecutionsQuery, @Base() base: string, @Self() self: string) {
    return this.processes.executions(query.processInstanceId, query.list, base, self);
  }

  @Get(':id')
  read(@Param('id') id: string, @Base() base: string) {
    return this.processes.execution(id, base);
  }
}
