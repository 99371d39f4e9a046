import { Injectable } from '@nestjs/common';
import { type CancelNotice, NOTIFY_PATTERN, type ProcessEnded, SUBJECTS, type WorkRow } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { AttemptClocks, TypeDefinition } from '@drover/process-model';
import { DatabaseClock } from '../lifecycle/database-clock.js';
import { Log } from '../log.js';
import { ReplySlots } from '../replies/reply-slots.js';
import { processEventOf } from './process-event.js';

/** What the engine says to the outside: process events, cancel notices, ends of processes. Always after the commit. */
@Injectable()
export class Dispatcher {
  /** sends dropped because the commit's answer came after our lease */
  dropped = 0;

  constructor(
    private readonly bus: MessageBus,
    private readonly slots: ReplySlots,
    private readonly clock: DatabaseClock,
    private readonly log: Log,
  ) {}

  /**
   * Sends the process event of the attempt under way. An engine that was paused past its lease sends nothing: another one may
   * have taken over, and no database fence stops a publish.
   * @returns false when nothing was sent
   */
  send(work: WorkRow, type: TypeDefinition, clocks: AttemptClocks, related: JsonObject | null = null): boolean {
    if (work.process.slot === null || !this.slots.holds(work.process.slot)) {
      this.dropped++;
      return false;
    }
    const { subject, event } = processEventOf(work, type, clocks, this.clock.now(), related);
    this.publish(subject, event, event.replyTo);
    return true;
  }

  cancelNotice(handler: string, notice: CancelNotice): void {
    this.publish(SUBJECTS.cancel(handler), notice);
  }

  ended(notify: string | null, ended: ProcessEnded): void {
    if (notify !== null && NOTIFY_PATTERN.test(notify)) this.publish(notify, ended);
  }

  private publish(subject: string, message: unknown, reply?: string): void {
    // Too large for the broker, or a closing connection: the deadline in the database repeats the attempt.
    this.bus.publish(subject, message, reply, (err) =>
      this.log.warn({ err, subject }, 'an event could not be published'),
    );
  }
}
