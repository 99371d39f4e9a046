import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, type Registry, register as defaultRegistry } from 'prom-client';

/** What the gateway counts. Route patterns, never paths: a label must have few values. */
@Injectable()
export class GatewayMetrics {
  private readonly requests: Counter<'method' | 'route' | 'status'>;
  private readonly errors: Counter<'code'>;
  private readonly refused: Counter<'reason'>;
  private readonly seconds: Histogram<'method' | 'route'>;

  constructor() {
    const registers = [defaultRegistry];
    this.requests = once(defaultRegistry, 'drover_gateway_requests_total', (name) => {
      return new Counter({ name, help: 'HTTP requests', labelNames: ['method', 'route', 'status'], registers });
    });
    this.errors = once(defaultRegistry, 'drover_gateway_errors_total', (name) => {
      return new Counter({
        name,
        help: 'Error answers, bad input among them, by code',
        labelNames: ['code'],
        registers,
      });
    });
    this.refused = once(defaultRegistry, 'drover_gateway_commands_refused_total', (name) => {
      const help = 'Commands refused for load: by an engine, and before they were sent';
      return new Counter({ name, help, labelNames: ['reason'], registers });
    });
    this.seconds = once(defaultRegistry, 'drover_gateway_request_seconds', (name) => {
      const buckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 10, 60];
      return new Histogram({ name, help: 'Time to answer', labelNames: ['method', 'route'], buckets, registers });
    });
  }

  countRequest(method: string, route: string, status: number, seconds: number): void {
    this.requests.inc({ method, route, status: String(status) });
    this.seconds.observe({ method, route }, seconds);
  }

  countRefused(reason: 'engine' | 'throttled' | 'open'): void {
    this.refused.inc({ reason });
  }

  /** @param present commands that wait for an engine's answer, and how many may at the moment */
  observeCommands(present: () => { open: number; room: number }): void {
    gauge('drover_gateway_commands_open', 'Commands that wait for the answer of an engine', () => present().open);
    gauge(
      'drover_gateway_commands_room',
      'Commands that may wait at once, as the event loop keeps up',
      () => present().room,
    );
  }

  countError(code: string): void {
    this.errors.inc({ code });
  }
}

function gauge(name: string, help: string, value: () => number): void {
  once(defaultRegistry, name, () => {
    return new Gauge({
      name,
      help,
      collect() {
        this.set(value());
      },
    });
  });
}

/** Two gateways in one test process share the process's registry. */
function once<M>(registry: Registry, name: string, make: (name: string) => M): M {
  return (registry.getSingleMetric(name) as M | undefined) ?? make(name);
}
