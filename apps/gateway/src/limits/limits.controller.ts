import { Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Base, Self } from '../http/base-url.js';
import { ObjectBody } from '../http/body.js';
import { type ListQuery, ListQueryPipe } from '../http/list-query.js';
import { valid } from '../http/validation.js';
import { LimitBody } from './limit-body.js';
import { Limits } from './limits.js';

/** Limits of concurrency; a path names one by its scope: `/v1/limits/type/instance`. */
@Controller(['v1/limits', 'v1/limit'])
export class LimitsController {
  constructor(private readonly limits: Limits) {}

  @Get()
  list(@Query(ListQueryPipe) query: ListQuery, @Base() base: string, @Self() self: string) {
    return this.limits.list(query, base, self);
  }

  /** 201: set; 200: it was set already, and is as asked now. */
  @Post()
  async set(
    @ObjectBody(valid(LimitBody, { whitelistValidation: 'InvalidField' })) body: LimitBody,
    @Base() base: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { json, created } = await this.limits.set(body, base);
    reply.status(created ? 201 : 200);
    return json;
  }

  @Get(':kind/:name')
  read(@Param('kind') kind: string, @Param('name') name: string, @Base() base: string) {
    return this.limits.read(`${kind}/${name}`, base);
  }

  @Delete(':kind/:name')
  remove(@Param('kind') kind: string, @Param('name') name: string, @Base() base: string) {
    return this.limits.remove(`${kind}/${name}`, base);
  }
}
