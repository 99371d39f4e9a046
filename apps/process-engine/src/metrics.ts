import type { INestApplicationContext } from '@nestjs/common';
import type { MessageBus } from '@drover/messaging';
import { Gauge } from 'prom-client';
import { Committer } from './commit/committer.js';
import { Dispatcher } from './dispatch/dispatcher.js';
import { Lifecycle } from './lifecycle/lifecycle.js';
import { Replies } from './replies/replies.js';

/** What an operator sees of an engine on /metrics. */
export function registerMetrics(app: INestApplicationContext, bus: MessageBus): void {
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
  value('commits_outstanding', 'transitions that wait for their commit', () => app.get(Committer).outstanding);
  value('processes_busy', 'processes with an input being worked on', () => app.get(Lifecycle).busy);
  value('sends_dropped', 'events not sent because the lease was over', () => app.get(Dispatcher).dropped);
  value('replies_ignored', 'late or repeated replies', () => counts.ignored);
  value('replies_garbage', 'messages on reply subjects that name nothing', () => counts.garbage);
  value('replies_rejected', 'replies that could not be used', () => counts.rejected);
  value('requests_garbage', 'requests whose body could not be used', () =>
    [...bus.garbage.values()].reduce((sum, n) => sum + n, 0),
  );
}
