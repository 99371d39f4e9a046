import type { FeedKind } from '@drover/contracts';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** One row per revision of a resource, partitioned by day. Its number is the feed's `sequence`. */
@Entity('feed')
@Index('feed_resource', ['resourceId', 'revision'])
export class FeedEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'feed_pkey', default: () => `nextval('feed_id')` })
  id: number;

  @Column({ name: 'resource_id', type: 'bigint' })
  resourceId: number;

  @Column({ name: 'process_id', type: 'bigint', nullable: true })
  processId: number | null;

  @PrimaryColumn({ type: 'timestamptz', primaryKeyConstraintName: 'feed_pkey' })
  time: Date;

  @Column({ type: 'integer' })
  revision: number;

  @Column({ type: 'text' })
  kind: FeedKind;

  @Column({ type: 'text', nullable: true })
  process: string | null;

  /** null: `state` */
  @Column({ name: 'state_field', type: 'text', nullable: true })
  stateField: string | null;

  @Column({ name: 'from_state', type: 'text' })
  fromState: string;

  @Column({ name: 'to_state', type: 'text' })
  toState: string;
}

/** The relay's place in the feed: one row. */
@Entity('relay')
export class RelayEntity {
  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: 'relay_pkey' })
  id: number;

  @Column({ type: 'integer' })
  epoch: number;

  @Column({ type: 'bigint' })
  published: number;

  /** highest number that retention dropped */
  @Column({ type: 'bigint' })
  trimmed: number;
}
