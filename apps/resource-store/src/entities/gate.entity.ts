import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A pause that is set: no attempt in its scope begins. */
@Entity('pause')
export class PauseEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'pause_pkey' })
  scope: string;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  since: Date;

  @Column({ type: 'text', nullable: true })
  operator: string | null;

  @Column({ type: 'text', nullable: true })
  reason: string | null;
}

/** The row that admissions of a handler with limits pass one after the other, with its circuit. */
@Entity('handler_gate')
export class HandlerGateEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'handler_gate_pkey' })
  handler: string;

  /** failed attempts in a row */
  @Column({ type: 'integer' })
  failures: number;

  /** null: the circuit is closed; passed: half open */
  @Column({ name: 'opened_until', type: 'timestamptz', nullable: true })
  openedUntil: Date | null;

  /** when failures or circuit changed last */
  @Column({ type: 'timestamptz', default: () => 'now()' })
  changed: Date;
}

/** A limit of concurrency that an operator set. */
@Entity('concurrency_limit')
export class ConcurrencyLimitEntity {
  /** `account/<number>`, `type/<name>`, `process/<name>` */
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'concurrency_limit_pkey' })
  scope: string;

  @Column({ name: 'max_concurrent', type: 'integer', nullable: true })
  maxConcurrent: number | null;

  /** what an account gets in its turn */
  @Column({ type: 'integer' })
  weight: number;
}

/** A process that a limit of concurrency has admitted. Counts only while the process lives. */
@Entity('gate_place')
export class GatePlaceEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'gate_place_pkey' })
  gate: string;

  @PrimaryColumn({ name: 'process_id', type: 'bigint', primaryKeyConstraintName: 'gate_place_pkey' })
  processId: number;
}

/** When an account is served next at a gate where several wait, in virtual time. */
@Entity('gate_turn')
export class GateTurnEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'gate_turn_pkey' })
  gate: string;

  /** 0: none; -1: the virtual time of the one served last */
  @PrimaryColumn({ name: 'account_id', type: 'bigint', primaryKeyConstraintName: 'gate_turn_pkey' })
  accountId: number;

  @Column({ type: 'double precision' })
  pass: number;
}
