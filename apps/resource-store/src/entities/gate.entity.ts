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
