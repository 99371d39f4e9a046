import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { type DuePurge, listDuePurges, type PurgeCursor } from '@drover/contracts';
import { DroverError, sleep, uuidOf } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { Commands } from '../commands/commands.js';
import { Log } from '../log.js';
import { ReplySlots } from '../replies/reply-slots.js';
import { PurgePace } from './pace.js';

/** Held by the engine that sweeps; another one goes on when it has not asked for this long, milliseconds. */
const LEASE_MILLIS = 120_000;

/**
 * Starts `<type>.purge` on resources that have been removed for longer than their type says. One engine sweeps at a time, a page after the
 * other, at a bounded rate. The command id is made from the resource and the time of its removal: whoever sweeps too, or again after a
 * crash, starts nothing twice; a purge that an operator cancelled is tried again a day later, when the command is forgotten.
 */
@Injectable()
export class Purges implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly counts = { started: 0, refused: 0 };
  private readonly stopped = new AbortController();
  private loop: Promise<void> | null = null;

  constructor(
    private readonly bus: MessageBus,
    private readonly commands: Commands,
    private readonly slots: ReplySlots,
    private readonly log: Log,
    private readonly pace: PurgePace,
  ) {}

  onApplicationBootstrap(): void {
    this.loop = this.run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      await sleep(this.pace.everyMillis, signal);
      try {
        if (!signal.aborted) await this.sweep();
      } catch (err) {
        if (!signal.aborted) this.log.warn({ err }, 'removed resources could not be swept; the next sweep tries again');
      }
    }
  }

  private async sweep(): Promise<void> {
    const { page: limit } = this.pace;
    let after: PurgeCursor | null = null;
    do {
      const { due, next }: { due: DuePurge[]; next: PurgeCursor | null } = await this.bus.request(listDuePurges, {
        engine: this.slots.engine,
        leaseMillis: LEASE_MILLIS,
        limit,
        after,
      });
      await Promise.all(due.map((one) => this.purge(one)));
      after = next;
      if (after !== null) await sleep(this.pace.betweenMillis, this.stopped.signal);
    } while (after !== null && !this.stopped.signal.aborted);
  }

  /** A refusal is none of ours to mend: the state moved on, or the definition did. The next sweep looks again. */
  private async purge({ resourceId, type, revision, removed }: DuePurge): Promise<void> {
    try {
      await this.commands.start({
        process: `${type.toLowerCase()}.purge`,
        resourceId,
        expectRevision: revision,
        data: {},
        commandId: uuidOf(`purge/${resourceId}/${removed}`),
        commandHash: null,
        notify: null,
      });
      this.counts.started++;
    } catch (err) {
      if (!(err instanceof DroverError)) throw err;
      this.counts.refused++;
      this.log.debug({ resourceId, type, err }, 'a removed resource could not be purged');
    }
  }
}
