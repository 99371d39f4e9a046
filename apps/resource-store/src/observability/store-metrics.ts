import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What this service counts. Base units; `_total` for counters. One instance per application. */
export class StoreMetrics {
  readonly batchRows: Histogram<'lane'>;
  readonly batchSeconds: Histogram<'lane'>;
  readonly batchFailures: Counter<'lane'>;
  readonly plainLeft: Counter<'lane'>;
  readonly outcomes: Counter<'outcome'>;
  readonly claimed: Counter;
  readonly relayed: Counter;
  readonly relayFailures: Counter;
  readonly relayWaiting: Gauge;
  readonly relayLagSeconds: Gauge;
  readonly leader: Gauge;
  readonly definitionErrors: Gauge;

  constructor(readonly registry: Registry) {
    const registers = [registry];
    this.batchRows = new Histogram({
      name: 'drover_store_batch_rows',
      help: 'Transitions in one committed batch',
      labelNames: ['lane'],
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    });
    this.batchSeconds = new Histogram({
      name: 'drover_store_batch_seconds',
      help: 'Time from the start of a batch to its known outcome, repeats included',
      labelNames: ['lane'],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
      registers,
    });
    this.batchFailures = new Counter({
      name: 'drover_store_batch_failures_total',
      help: 'Batches that the database refused or did not answer; each is repeated or split',
      labelNames: ['lane'],
      registers,
    });
    this.plainLeft = new Counter({
      name: 'drover_store_plain_left_total',
      help: 'Plain transitions that the short statement left to the full one: refused, or beside one that another transaction was writing',
      labelNames: ['lane'],
      registers,
    });
    this.outcomes = new Counter({
      name: 'drover_store_transitions_total',
      help: 'Transitions by outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.claimed = new Counter({
      name: 'drover_store_due_work_claimed_total',
      help: 'Due processes handed out',
      registers,
    });
    this.relayed = new Counter({
      name: 'drover_store_feed_relayed_total',
      help: 'Transition events published',
      registers,
    });
    this.relayFailures = new Counter({
      name: 'drover_store_feed_failures_total',
      help: 'Passes of the relay that failed; each is repeated',
      registers,
    });
    this.relayWaiting = new Gauge({
      name: 'drover_store_feed_waiting_rows',
      help: 'Feed rows not yet published, at the last pass of this replica',
      registers,
    });
    this.relayLagSeconds = new Gauge({
      name: 'drover_store_feed_lag_seconds',
      help: 'Age of the last event published by this replica when it was published',
      registers,
    });
    this.leader = new Gauge({
      name: 'drover_store_background_leader',
      help: '1 while this replica runs the background jobs (relay, presence, partitions)',
      registers,
    });
    this.definitionErrors = new Gauge({
      name: 'drover_store_definition_errors',
      help: 'Findings that kept a definition of the folder from being applied at the last boot',
      registers,
    });
  }
}
