import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { type ErrorBody, isRefusedLoad, monotonicMillis, Throttle } from '@drover/kernel';
import { GatewayMetrics } from '../health/metrics.js';
import { Room } from './room.js';

/** The event loop's own lateness is looked at this often while commands come, milliseconds. A gateway that nobody asks is not woken for it. */
const TICK_MILLIS = 50;
/** Accounts remembered at once; who is not was refused nothing lately. */
const MAX_ACCOUNTS = 1_000;

type Account = number | null;

/**
 * Keeps from the engines what they would refuse anyway, before a body is read (ADR 053): of each account, as much as lately was accepted
 * and a half, and at most as many commands at once as there are places free. There are as many places as the gateway's own event loop
 * keeps up with.
 */
@Injectable()
export class Overload implements BeforeApplicationShutdown {
  private readonly throttles = new Map<Account, Throttle>();
  private readonly open = new Map<Account, number>();
  private readonly room = new Room();
  private total = 0;
  private ticking: NodeJS.Timeout | undefined;
  /** has a command come since the last look? */
  private isAsked = false;

  constructor(private readonly metrics: GatewayMetrics) {
    metrics.observeCommands(() => ({ open: this.total, room: this.room.size }));
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.ticking);
  }

  /**
   * Does the event loop keep up? If not, a turn of it is long, and what waits for its end waits for all that is refused in it: with thousands
   * of sockets to read, the system has the next ones ready before the turn is over.
   */
  get isLate(): boolean {
    return this.room.isNarrow;
  }

  /** The refusal of a command that just arrives, or null: it may be sent. */
  refusal(account: Account): ErrorBody | null {
    this.isAsked = true;
    if (this.ticking === undefined) this.watchLoop();
    const full = (this.open.get(account) ?? 0) >= this.room.size - this.total;
    const throttle = this.throttles.get(account);
    if (!full && throttle === undefined) return null;
    const now = monotonicMillis();
    if (!full && !throttle!.refuses(now, Math.random())) return null;
    this.metrics.countRefused(full ? 'open' : 'throttled');
    const known = throttle ?? this.throttleOf(account, now);
    known.note(false, now);
    return {
      code: 'Overloaded',
      message: 'More work arrives than can be done; try again later',
      detail: { retryAfterMillis: known.retryAfterMillis(Math.random()) },
    };
  }

  /** Sends a command, and learns from what becomes of it. */
  async watch<T>(account: Account, send: () => Promise<T>): Promise<T> {
    this.total++;
    this.open.set(account, (this.open.get(account) ?? 0) + 1);
    try {
      const answer = await send();
      this.throttles.get(account)?.note(true, monotonicMillis());
      return answer;
    } catch (error) {
      this.learn(account, error);
      throw error;
    } finally {
      this.total--;
      const left = this.open.get(account)! - 1;
      if (left === 0) this.open.delete(account);
      else this.open.set(account, left);
    }
  }

  /** Looks how late the event loop is, until nobody asks for anything and all is wide again. */
  private watchLoop(): void {
    let due = monotonicMillis() + TICK_MILLIS;
    this.ticking = setInterval(() => {
      const now = monotonicMillis();
      this.room.note(now - due, this.total);
      due = now + TICK_MILLIS;
      if (!this.isAsked && this.total === 0 && !this.room.isNarrow) {
        clearInterval(this.ticking);
        this.ticking = undefined;
      }
      this.isAsked = false;
    }, TICK_MILLIS).unref();
  }

  /** Anything but a refusal for load was work that an engine took; no answer says nothing. */
  private learn(account: Account, error: unknown): void {
    const now = monotonicMillis();
    if (isRefusedLoad(error)) {
      this.metrics.countRefused('engine');
      this.throttleOf(account, now).note(false, now);
    } else if ((error as Partial<ErrorBody>).code !== 'Unavailable') {
      this.throttles.get(account)?.note(true, now);
    }
  }

  /** Made by the first refusal; while nothing is refused, nothing is counted. */
  private throttleOf(account: Account, now: number): Throttle {
    let throttle = this.throttles.get(account);
    if (throttle === undefined) {
      if (this.throttles.size >= MAX_ACCOUNTS) this.forget(now);
      throttle = new Throttle();
      this.throttles.set(account, throttle);
    }
    return throttle;
  }

  private forget(now: number): void {
    for (const [account, throttle] of this.throttles) if (throttle.isIdle(now)) this.throttles.delete(account);
    if (this.throttles.size >= MAX_ACCOUNTS) this.throttles.delete(this.throttles.keys().next().value!);
  }
}
