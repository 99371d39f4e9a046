import { Injectable } from '@nestjs/common';
import { MessageBus } from '@drover/messaging';
import { Log } from '../log.js';

/** Does a program listen on a subject? `unknown`: the broker does not say. */
export type Listening = 'yes' | 'no' | 'unknown';

/** Every account may ask its servers for its own connections; a server without a system account does not answer. */
const CONNECTIONS = '$SYS.REQ.ACCOUNT.PING.CONNZ';
/** Longest wait for the first server, and for the next one of a cluster, milliseconds. */
const FIRST_MILLIS = 300;
const NEXT_MILLIS = 75;

/** Asks the broker who subscribes, by its connection list: nothing reaches the subscribers themselves. */
@Injectable()
export class Listeners {
  constructor(
    private readonly bus: MessageBus,
    private readonly log: Log,
  ) {}

  /** Any subscriber counts, also one that only looks on (`drover.>`), as it does for the broker's "no responders". */
  async on(subject: string): Promise<Listening> {
    const question = JSON.stringify({ filter_subject: subject, limit: 1 });
    let answers = 0;
    try {
      const servers = await this.bus.connection.requestMany(CONNECTIONS, question, {
        strategy: 'stall',
        maxWait: FIRST_MILLIS,
        stall: NEXT_MILLIS,
      });
      for await (const message of servers) {
        const { data } = message.json<{ data?: { num_connections?: number } }>();
        if (data?.num_connections === undefined) continue;
        if (data.num_connections > 0) return 'yes';
        answers++;
      }
    } catch (error) {
      this.log.debug({ err: error }, 'the broker does not tell who listens');
    }
    return answers > 0 ? 'no' : 'unknown';
  }
}
