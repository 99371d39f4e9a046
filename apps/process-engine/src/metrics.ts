import type { INestApplicationContext } from '@nestjs/common';
import type { MessageBus } from '@drover/messaging';
import { Counter, Gauge, Histogram } from 'prom-client';
import { Purges } from './clean-up/purges.js';
import { Committer } from './commit/committer.js';
import { DurableDelivery } from './dispatch/durable-delivery.js';
import { Dispatcher } from './dispatch/dispatcher.js';
import { Intake } from './intake/intake.js';
import { Runner } from './in-process/runner.js';
import { strays } from './in-process/stray-errors.js';
import { Lifecycle } from './lifecycle/lifecycle.js';
import { Replies } from './replies/replies.js';

/**
 * What an operator sees of an engine on /metrics.
 * @param asked where its requests come in
 */
export function registerMetrics(app: INestApplicationContext, bus: MessageBus, asked: MessageBus): void {
  const value = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `drover_engine_${name}`,
      help,
      collect() {
        this.set(read());
      },
    });
  };
  const { counts } = app.get(Replies);
  const durable = app.get(DurableDelivery);
  value('reply_stream_bytes', 'replies that wait to be read', () => app.get(Replies).bytes.used);
  value('reply_stream_max_bytes', 'what the reply stream may hold', () => app.get(Replies).bytes.max);
  value('work_stream_bytes', 'events that wait for handlers with durable delivery', () => durable.bytes.used);
  value('work_stream_max_bytes', 'what the work stream may hold', () => durable.bytes.max);
  value('work_events_stored', 'durable events stored', () => durable.counts.stored);
  value('work_events_refused', 'durable events not stored, and sent again', () => durable.counts.refused);
  value('work_events_withdrawn', 'durable events taken back', () => durable.counts.withdrawn);
  value('commits_outstanding', 'transitions that wait for their commit', () => app.get(Committer).outstanding);
  value('processes_busy', 'processes with an input being worked on', () => app.get(Lifecycle).load.busy);
  value(
    'processes_moving',
    'busy ones, and those whose handler was asked a moment ago',
    () => app.get(Lifecycle).load.moving,
  );
  value(
    'input_seconds',
    'what an input takes lately until its commit',
    () => app.get(Lifecycle).load.inputMillis / 1_000,
  );
  value('sends_dropped', 'events not sent because the lease was over', () => app.get(Dispatcher).dropped);
  value('replies_ignored', 'late or repeated replies', () => counts.ignored);
  value('replies_garbage', 'messages on reply subjects that name nothing', () => counts.garbage);
  value('replies_rejected', 'replies that could not be used', () => counts.rejected);
  intakeMetrics(app.get(Intake), value);
  const purges = app.get(Purges);
  value('purges_started', 'purges of removed resources that were started', () => purges.counts.started);
  value('purges_refused', 'purges that were refused; the next sweep looks again', () => purges.counts.refused);
  const runner = app.get(Runner);
  value('in_process_running', 'attempts of in-process handlers under way', () => runner.running);
  value('in_process_late', 'results of in-process handlers that came after their time', () => runner.counts.late);
  value('in_process_stray_errors', 'errors of in-process handlers outside an attempt', () => strays.count);
  value('in_process_not_repeatable', 'attempts that differed when run twice', () => runner.counts.notRepeatable);
  value('requests_garbage', 'requests whose body could not be used', () =>
    [bus, asked].flatMap(({ garbage }) => [...garbage.values()]).reduce((sum, n) => sum + n, 0),
  );
  value('requests_unread', 'requests that came and were not looked at yet', () => asked.unread);
}

function intakeMetrics(intake: Intake, value: (name: string, help: string, read: () => number) => void): void {
  value('intake_waiting', 'starts that wait for room', () => intake.waiting);
  value(
    'intake_most_driven',
    'starts and inputs worked on at once at most, as commits take it',
    () => intake.mostDriven,
  );
  value(
    'intake_most_moving',
    'processes in motion at most, as their inputs are worked on in time',
    () => intake.mostMoving,
  );
  value('intake_open', 'starts that are being planned and committed', () => intake.open);
  const count = (name: string, help: string, labels: Record<string, () => number>, labelName?: string): void => {
    new Counter({
      name: `drover_engine_${name}`,
      help,
      ...(labelName === undefined ? {} : { labelNames: [labelName] }),
      collect() {
        this.reset();
        for (const [label, read] of Object.entries(labels))
          this.inc(labelName === undefined ? {} : { [labelName]: label }, read());
      },
    });
  };
  count('intake_accepted_total', 'starts that were let in', { all: () => intake.counts.accepted });
  count(
    'intake_refused_total',
    'starts that were refused, by reason',
    { wait: () => intake.counts.refusedForWait, room: () => intake.counts.refusedForRoom },
    'reason',
  );
  const seconds = new Histogram({
    name: 'drover_engine_intake_wait_seconds',
    help: 'How long a start that found no room waited',
    buckets: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2],
  });
  intake.observe((millis) => seconds.observe(millis / 1_000));
}
