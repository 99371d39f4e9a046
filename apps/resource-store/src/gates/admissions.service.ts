import type { CircuitState, HandlerLimits, WorkRow } from '@drover/contracts';
import { oneRow, rows } from '@drover/database';
import { isScope, limitOf } from '@drover/process-model';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { Hints } from '../observability/hints.js';
import { fitting } from '../query/fitting.js';
import {
  ADMIT,
  ADMIT_TO_SCOPE,
  ANY_LEFT,
  ANY_LEFT_IN_SCOPE,
  ENSURE_GATE,
  HAND_OUT_LATER,
  LOCK_GATE,
  READ_GATE,
  WAKE_HELD,
  WAKE_LIMITED,
  WRITE_GATE,
} from '../sql/gates.sql.js';
import { type Circuit, circuitAfter, circuitState, type Outcomes } from './circuit.js';
import { WAKE_BATCH } from './pauses.service.js';

/** Admitted in one answer at most. */
const MAX_ADMITTED = 512;
/** Places of a handler without a maximum: more than its circuit breaker will ever see. */
const NO_MAXIMUM = 1_000_000;

export interface AdmitRequest {
  handler: string;
  registryRevision: number;
  limits: HandlerLimits;
  outcomes: Outcomes;
  limit: number;
  leaseMillis: number;
}

export interface AdmitAnswer {
  stale: boolean;
  work: WorkRow[];
  more: boolean;
  circuit: CircuitState;
  failures: number;
}

type LockedGate = Circuit & { registryRevision: number };

/**
 * Gives places at handlers with limits to those that wait for them. Exact over all engines and stores: admissions of one handler pass
 * its row one after the other, and count who has a place; no counter is kept that could go wrong.
 */
@Injectable()
export class AdmissionsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
  ) {}

  async admit(request: AdmitRequest): Promise<AdmitAnswer> {
    const { handler } = request;
    this.hints.gates();
    const { gate, work, stale, opens } = await this.dataSource.transaction(async (on) => {
      const present = await this.lock(on, handler);
      const stale = request.registryRevision < present.registryRevision;
      const gate = await this.report(on, request, present);
      const opens = gate.open && !present.open;
      const places = stale ? 0 : placesOf(request.limits, gate);
      const values = [handler, places, Math.min(request.limit, MAX_ADMITTED), request.leaseMillis];
      return {
        gate,
        stale,
        opens,
        work: places === 0 ? [] : await rows<WorkRow>(on, isScope(handler) ? ADMIT_TO_SCOPE : ADMIT, values),
      };
    });
    const { kept, cut } = fitting(work);
    if (cut.length > 0) {
      await rows(this.dataSource, HAND_OUT_LATER, [cut.map(({ process }) => process.id)]);
      this.hints.due();
    }
    if (opens) await this.tellWaiting(handler);
    const places = placesOf(request.limits, gate);
    const anyLeft = isScope(handler) ? ANY_LEFT_IN_SCOPE : ANY_LEFT;
    const more = !stale && places > 0 && (await oneRow(this.dataSource, anyLeft, [handler, places])) !== undefined;
    return {
      stale,
      work: kept,
      more,
      circuit: circuitState(gate),
      failures: gate.failures,
    };
  }

  async read(handler: string): Promise<{ inFlight: number; held: number; circuit: CircuitState; failures: number }> {
    const found = (await oneRow<Circuit & { inFlight: number; held: number }>(this.dataSource, READ_GATE, [handler]))!;
    const { inFlight, held, failures } = found;
    return { inFlight, held, circuit: circuitState(found), failures };
  }

  /** The fallback for what engines lost sight of. */
  async wakeOverlooked(): Promise<void> {
    const woken = await rows(this.dataSource, WAKE_LIMITED, [WAKE_BATCH]);
    if (woken.length > 0) this.hints.due();
  }

  private async lock(on: EntityManager, handler: string): Promise<LockedGate> {
    // Clean-up may delete the row between its making by somebody else and our lock.
    for (;;) {
      const locked = await oneRow<LockedGate>(on, LOCK_GATE, [handler]);
      if (locked !== undefined) return locked;
      await rows(on, ENSURE_GATE, [handler]);
    }
  }

  private async report(on: EntityManager, request: AdmitRequest, gate: LockedGate): Promise<Circuit> {
    const { handler, outcomes, limits } = request;
    const after = circuitAfter(gate, outcomes, limits.circuitBreaker);
    if (after === null) return gate;
    const openMillis = after.open ? limits.circuitBreaker!.openMillis : null;
    await rows(on, WRITE_GATE, [handler, after.failures, openMillis]);
    return after;
  }

  /** The circuit has opened: those that wait first are decided again, and say so from then on. */
  private async tellWaiting(handler: string): Promise<void> {
    const woken = await rows(this.dataSource, WAKE_HELD, [limitOf(handler), WAKE_BATCH]);
    if (woken.length > 0) this.hints.due();
  }
}

/** How many attempts may be under way now. */
function placesOf({ maxInFlight }: HandlerLimits, { open, opened }: Circuit): number {
  if (opened) return open ? 0 : 1;
  return maxInFlight ?? NO_MAXIMUM;
}
