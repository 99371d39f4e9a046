import type { ProcessStatus } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A process that has not ended: parked, delayed and waiting ones too. */
@Entity('process_live')
@Index('process_live_region', ['resourceId', 'stateField'], { unique: true })
@Index('process_live_wake', ['nextWakeAt'], { where: "next_wake_at < 'infinity'" })
@Index('process_live_waiting', ['waitingHandler', 'id'], { where: 'waiting_handler is not null' })
@Index('process_live_predecessor', ['predecessorId'], { where: 'predecessor_id is not null' })
@Index('process_live_parent', ['parentId', 'parentDispatch'], { where: 'parent_id is not null' })
@Index('process_live_admitted', ['admitted'], { where: 'admitted is not null' })
export class ProcessLiveEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'process_live_pkey' })
  id: number;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @Column({ name: 'account_id', type: 'bigint', nullable: true })
  accountId: number | null;

  @Column({ name: 'predecessor_id', type: 'bigint', nullable: true })
  predecessorId: number | null;

  @Column({ name: 'start_time', type: 'timestamptz' })
  startTime: Date;

  /** the next clock; `infinity` where only an operator can act */
  @Column({ name: 'next_wake_at', type: 'timestamptz' })
  nextWakeAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  deadline: Date | null;

  @Column({ name: 'wait_deadline', type: 'timestamptz', nullable: true })
  waitDeadline: Date | null;

  @Column({ name: 'total_deadline', type: 'timestamptz', nullable: true })
  totalDeadline: Date | null;

  @Column({ type: 'integer' })
  version: number;

  @Column({ name: 'definition_version', type: 'integer' })
  definitionVersion: number;

  @Column({ type: 'integer' })
  dispatch: number;

  @Column({ name: 'execution_count', type: 'integer' })
  executionCount: number;

  @Column({ type: 'integer' })
  priority: number;

  @Column({ type: 'smallint', nullable: true })
  slot: number | null;

  @Column({ type: 'boolean' })
  resend: boolean;

  @Column({ name: 'resource_type', type: 'text' })
  resourceType: string;

  @Column({ name: 'state_field', type: 'text' })
  stateField: string;

  @Column({ type: 'text' })
  name: string;

  @Column({ name: 'began_state', type: 'text' })
  beganState: string;

  @Column({ type: 'text' })
  status: ProcessStatus;

  @Column({ name: 'waiting_handler', type: 'text', nullable: true })
  waitingHandler: string | null;

  @Column({ type: 'text' })
  token: string;

  @Column({ type: 'text', nullable: true })
  notify: string | null;

  @Column({ name: 'error_code', type: 'text', nullable: true })
  errorCode: string | null;

  @Column({ name: 'error_message', type: 'text', nullable: true })
  errorMessage: string | null;

  @Column({ type: 'json' })
  progress: JsonObject;

  @Column({ type: 'json' })
  data: JsonObject;

  @Column({ name: 'parent_id', type: 'bigint', nullable: true })
  parentId: number | null;

  @Column({ name: 'parent_dispatch', type: 'integer', nullable: true })
  parentDispatch: number | null;

  /** null: it is cancelled when its parent ends early; `leave`: it is not; `ended`: that has happened */
  @Column({ name: 'parent_end', type: 'text', nullable: true })
  parentEnd: 'leave' | 'ended' | null;

  /** the gate that keeps the next attempt from beginning */
  @Column({ name: 'held_by', type: 'text', nullable: true })
  heldBy: string | null;

  /** since when a pause holds it: the clocks stand still */
  @Column({ name: 'held_since', type: 'timestamptz', nullable: true })
  heldSince: Date | null;

  /** handler whose in-flight limit counts this process */
  @Column({ type: 'text', nullable: true })
  admitted: string | null;
}

/** A process that ended: one row, partitioned by the day of its end. */
@Entity('process_finished')
@Index('process_finished_resource', ['resourceId', 'id'])
@Index('process_finished_parent', ['parentId', 'parentDispatch'], { where: 'parent_id is not null' })
export class ProcessFinishedEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'process_finished_pkey' })
  id: number;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @Column({ name: 'account_id', type: 'bigint', nullable: true })
  accountId: number | null;

  @Column({ name: 'start_time', type: 'timestamptz' })
  startTime: Date;

  @PrimaryColumn({ name: 'end_time', type: 'timestamptz', primaryKeyConstraintName: 'process_finished_pkey' })
  endTime: Date;

  @Column({ name: 'definition_version', type: 'integer' })
  definitionVersion: number;

  @Column({ name: 'execution_count', type: 'integer' })
  executionCount: number;

  @Column({ type: 'integer' })
  priority: number;

  @Column({ name: 'resource_type', type: 'text' })
  resourceType: string;

  @Column({ name: 'state_field', type: 'text' })
  stateField: string;

  @Column({ type: 'text' })
  name: string;

  @Column({ name: 'exit_reason', type: 'text' })
  exitReason: string;

  @Column({ name: 'error_code', type: 'text', nullable: true })
  errorCode: string | null;

  @Column({ name: 'error_message', type: 'text', nullable: true })
  errorMessage: string | null;

  @Column({ type: 'json' })
  progress: JsonObject;

  @Column({ type: 'json' })
  data: JsonObject;

  @Column({ name: 'parent_id', type: 'bigint', nullable: true })
  parentId: number | null;

  @Column({ name: 'parent_dispatch', type: 'integer', nullable: true })
  parentDispatch: number | null;
}
