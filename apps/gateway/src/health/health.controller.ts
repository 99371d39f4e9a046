import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Readiness } from './readiness.js';

/** What a load balancer asks; the admin port has the same and the metrics. */
@Controller()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** This program answers. */
  @Get('healthz')
  live() {
    return { status: 'ok' };
  }

  /** What it depends on answers too. */
  @Get('readyz')
  ready(@Res() reply: FastifyReply) {
    return this.readiness.send(reply);
  }
}
