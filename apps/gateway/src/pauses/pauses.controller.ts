import { Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Base, Self } from '../http/base-url.js';
import { ObjectBody } from '../http/body.js';
import { type ListQuery, ListQueryPipe } from '../http/list-query.js';
import { valid } from '../http/validation.js';
import { PauseBody } from './pause-body.js';
import { Pauses } from './pauses.js';

/** Pauses; a path names one by its scope: `/v1/pauses/cluster`, `/v1/pauses/type/instance`. */
@Controller(['v1/pauses', 'v1/pause'])
export class PausesController {
  constructor(private readonly pauses: Pauses) {}

  @Get()
  list(@Query(ListQueryPipe) query: ListQuery, @Base() base: string, @Self() self: string) {
    return this.pauses.list(query, base, self);
  }

  /** 201: set, and no attempt in its scope begins any more; 200: it was set already. */
  @Post()
  async set(
    @ObjectBody(valid(PauseBody, { whitelistValidation: 'InvalidField' })) body: PauseBody,
    @Base() base: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { json, created } = await this.pauses.set(body.scope, body.reason ?? null, base);
    reply.status(created ? 201 : 200);
    return json;
  }

  @Get(':kind')
  readCluster(@Param('kind') kind: string, @Base() base: string) {
    return this.pauses.read(kind, base);
  }

  @Get(':kind/:name')
  read(@Param('kind') kind: string, @Param('name') name: string, @Base() base: string) {
    return this.pauses.read(`${kind}/${name}`, base);
  }

  @Delete(':kind')
  liftCluster(@Param('kind') kind: string, @Base() base: string) {
    return this.pauses.lift(kind, base);
  }

  @Delete(':kind/:name')
  lift(@Param('kind') kind: string, @Param('name') name: string, @Base() base: string) {
    return this.pauses.lift(`${kind}/${name}`, base);
  }
}
