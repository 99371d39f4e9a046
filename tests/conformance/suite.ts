import { SUBJECTS, type TransitionEvent } from '@drover/contracts';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../support/index.js';
import { Api } from './api.js';

const WORK = fileURLToPath(new URL('fixtures/work.mjs', import.meta.url));

/** The one stack that all scenarios share, with an ear on its feed. */
export class Suite implements AsyncDisposable {
  private readonly events = new Map<string, TransitionEvent[]>();
  private types = 0;

  private constructor(
    readonly cluster: Cluster,
    readonly api: Api,
  ) {
    cluster.bus.connection.subscribe(SUBJECTS.transitions, {
      callback: (_error, message) => {
        const event = message.json<TransitionEvent>();
        const events = this.events.get(event.resourceId);
        if (events === undefined) this.events.set(event.resourceId, [event]);
        else events.push(event);
      },
    });
  }

  static async start(): Promise<Suite> {
    const cluster = await Cluster.start({
      only: ['resource-store', 'process-engine', 'gateway'],
      env: { DROVER_HANDLERS: WORK, DROVER_PURGE_EVERY_MILLIS: '300' },
    });
    return new Suite(cluster, new Api(cluster.stack.url));
  }

  /** A number of its own for each type that a scenario declares: scenarios do not meet. */
  nextType(): number {
    return ++this.types;
  }

  /** The transition events of a resource so far, as the feed published them. */
  feedOf(resourceId: string): readonly TransitionEvent[] {
    return this.events.get(resourceId) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}
