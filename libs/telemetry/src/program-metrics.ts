import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Counter, type Registry } from 'prom-client';

/**
 * Left out: the lag's quantiles come from a timer of 10 ms, which woke each idle service a hundred times a second. That was a third of what
 * an idle cluster cost (2026-11-23, 2 cores, node 24). The lag at the moment of reading stays.
 */
const SAMPLED_LAG = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (of) => `nodejs_eventloop_lag_${of}_seconds`,
);
/** That timer cannot be left out, but asked to come this seldom: the longest that timers know, 25 days. */
const SELDOM_MILLIS = 2 ** 31 - 1;

/** What every program tells of itself: memory, processor, garbage collection, event loop. Nothing of it runs while nobody reads it. */
export function collectProgramMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: SELDOM_MILLIS });
  for (const name of SAMPLED_LAG) registry.removeSingleMetric(name);
  new Counter({
    name: 'nodejs_eventloop_active_seconds_total',
    help: 'Time in which the event loop was at work. Its rate is the share of the time, 1 when there is no room left',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(performance.eventLoopUtilization().active / 1_000);
    },
  });
}
