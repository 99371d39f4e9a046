import type { WorkRow } from '@drover/contracts';
import { type BoundStep, type DeliveryCheck, type Effect, handlerOfStep, unpackProgress } from '@drover/process-model';
import type { SimEngine } from './sim-engine.js';

const VERIFY_MILLIS = 5_000;
const ACKNOWLEDGE_MILLIS = 1_000;
const PUBLISH_MILLIS = 5_000;

type Withdrawal = Omit<Extract<Effect, { kind: 'withdraw' }>, 'kind'>;

/** Delivery to handlers that may be offline (apps/process-engine/src/dispatch/durable-delivery.ts and work-stream.ts). */
export class DurableDelivery {
  /** when the stream was made, as far as this engine knows; 0: it knows of none */
  private created = 0;
  /** when the stream was made whose events were last seen to */
  private seenTo = 0;
  /** when the consumers were made that this engine has seen, by handler */
  private readonly known = new Map<string, number>();
  private following = false;
  private again = false;

  constructor(private readonly engine: SimEngine) {
    engine.registry.onChange(() => this.follow());
    this.verify();
  }

  /** Stores the event of the attempt under way; the answer is the process's next input. */
  send(work: WorkRow, step: BoundStep): void {
    const { engine } = this;
    const { link } = engine;
    const { id, dispatch } = work.process;
    if (engine.slots.home() === null) return engine.background(id, { kind: 'unsent', dispatch });
    this.open((opened) => {
      if (!opened) return this.notStored(id, dispatch);
      link.askBroker(
        PUBLISH_MILLIS,
        () => link.publishDurably(work, step),
        (sequence) => {
          if (sequence === null) return this.notStored(id, dispatch);
          const stream = this.created;
          engine.handle({
            processId: id,
            input: { kind: 'stored', dispatch, sequence, stream },
            worked: (worked) => {
              // Nobody wants the event of an attempt that is over by now.
              if (worked === 'done') return;
              const { name } = step.handler;
              this.withdraw({ handler: name, processId: id, dispatch, sequence, stream, answered: false });
            },
          });
        },
      );
    });
  }

  /** What the broker says about the event that is out, or null: it could not be asked. */
  look({ process }: WorkRow, then: (check: DeliveryCheck | null) => void): void {
    const { link } = this.engine;
    const { work, step } = unpackProgress(process.progress);
    if (work === null || work.sequence === 0) return then(null);
    const handler = handlerOfStep(step);
    this.open((opened) => {
      if (!opened) return then(null);
      link.askBroker(
        PUBLISH_MILLIS,
        () => link.work.look(handler, work.sequence),
        (found) => {
          if (found === null) return then(null);
          const answer = (): void =>
            then({ event: work.stream !== this.created ? 'lost' : found.event, handler: found.handler });
          if (found.consumer !== null && this.known.get(handler) === found.consumer) return answer();
          // A consumer that was not there before may be of another stream: sequences of the earlier one say nothing.
          this.ensure((ensured) => {
            if (!ensured) return then(null);
            if (found.consumer !== null) this.known.set(handler, found.consumer);
            answer();
          });
        },
      );
    });
  }

  /** Takes the event of an attempt that is over out of the stream; when nobody had taken it, no answer will come. */
  withdraw(withdrawal: Withdrawal): void {
    const { link } = this.engine;
    if (link.mutant === 'never-withdrawn') return;
    const { handler, processId, dispatch, sequence, stream, answered } = withdrawal;
    const takeOut = (): void => {
      if (stream !== this.created) return;
      link.askBroker(
        PUBLISH_MILLIS,
        () => link.work.withdraw(handler, sequence),
        (untouched) => {
          if (untouched === true && !answered) this.engine.background(processId, { kind: 'withdrawn', dispatch });
        },
      );
    };
    if (answered) link.later(ACKNOWLEDGE_MILLIS, takeOut);
    else this.open((opened) => opened && takeOut());
  }

  /** The connection to the broker is back. */
  reconnected(): void {
    this.follow();
  }

  private notStored(processId: number, dispatch: number): void {
    this.follow();
    this.engine.background(processId, { kind: 'notStored', dispatch, reason: 'no answer' });
  }

  private open(then: (opened: boolean) => void): void {
    if (this.created !== 0) return then(true);
    this.ensure((ensured) => {
      if (ensured && this.seenTo === 0) this.seenTo = this.created;
      then(ensured);
    });
  }

  private ensure(then: (ensured: boolean) => void): void {
    const { link } = this.engine;
    link.askBroker(
      PUBLISH_MILLIS,
      () => link.work.ensure(),
      (created) => {
        if (created !== null) this.created = created;
        then(created !== null);
      },
    );
  }

  /** The stream and the consumers as the registry wants them; one look at a time. */
  private follow(): void {
    if (this.following) {
      this.again = true;
      return;
    }
    const { engine } = this;
    const { link } = engine;
    const done = (): void => {
      this.following = false;
      if (this.again) this.follow();
    };
    this.following = true;
    this.again = false;
    if (this.created === 0 && engine.registry.durableHandlers().size === 0) return done();
    this.ensure((ensured) => {
      if (!ensured) return done();
      const { created } = this;
      this.ensureConsumers((orphans) => {
        if (orphans === null) return done();
        const seen = (): void => {
          if (this.seenTo === 0 || created === this.seenTo) this.seenTo = created;
          else {
            link.note(() => `${engine.name} finds the work stream made anew`);
            engine.wakeAllSlots(() => (this.seenTo = created));
          }
          done();
        };
        if (orphans.length === 0) return seen();
        // Not by a list that may be old: another engine may know of a handler that this one has not heard of.
        engine.registry.refresh(() =>
          this.ensureConsumers((names) => {
            for (const name of names ?? [])
              link.askBroker(
                PUBLISH_MILLIS,
                () => link.work.removeConsumer(name),
                () => undefined,
              );
            seen();
          }),
        );
      });
    });
  }

  private ensureConsumers(then: (orphans: string[] | null) => void): void {
    const { link, registry } = this.engine;
    const durable = registry.durableHandlers();
    link.askBroker(PUBLISH_MILLIS, () => link.work.ensureConsumers(durable), then);
  }

  private verify(): void {
    this.engine.link.later(VERIFY_MILLIS, () => {
      this.follow();
      this.verify();
    });
  }
}
