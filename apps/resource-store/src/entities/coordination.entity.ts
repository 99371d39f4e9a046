import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A command that was applied: repeat detection, kept a day. */
@Entity('command')
export class CommandEntity {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'command_pkey' })
  id: string;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @Column({ name: 'process_id', type: 'bigint', nullable: true })
  processId: number | null;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  created: Date;

  /** MD5 of the caller's hash */
  @Column({ type: 'uuid', nullable: true })
  hash: string | null;
}

/** A reply slot and who leases it. */
@Entity('reply_slot')
export class ReplySlotEntity {
  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: 'reply_slot_pkey' })
  slot: number;

  @Column({ type: 'integer' })
  epoch: number;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt: Date;

  @Column({ type: 'text', nullable: true })
  engine: string | null;
}

/** Which replica runs a background job. */
@Entity('lease')
export class LeaseEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'lease_pkey' })
  job: string;

  @Column({ type: 'text' })
  holder: string;

  @Column({ type: 'integer' })
  epoch: number;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt: Date;
}
