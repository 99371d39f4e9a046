import type { RegionRow, TransitioningFlag } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The narrow half of a resource: what transitions change. */
@Entity('resource')
@Index('resource_type_resting', ['type', 'resting'])
export class ResourceEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'resource_pkey' })
  id: number;

  @Column({ name: 'account_id', type: 'bigint', nullable: true })
  accountId: number | null;

  @Column({ type: 'integer' })
  revision: number;

  /** revision of `resource_data` that belongs to this row */
  @Column({ name: 'data_revision', type: 'integer' })
  dataRevision: number;

  @Column({ type: 'smallint', nullable: true })
  progress: number | null;

  @Column({ type: 'text' })
  type: string;

  @Column({ type: 'text' })
  kind: string;

  @Column({ type: 'text' })
  state: string;

  /** where no process is live on `state`, the same; else the state before it, or one on the way (ADR 014) */
  @Column({ type: 'text' })
  resting: string;

  @Column({ type: 'text' })
  transitioning: TransitioningFlag;

  @Column({ type: 'text', nullable: true })
  message: string | null;

  @Column({ type: 'jsonb', nullable: true })
  regions: Record<string, RegionRow> | null;
}

/** The wide half: written only when it changes. */
@Entity('resource_data')
@Index('resource_data_uuid', ['uuid'], { unique: true })
@Index('resource_data_type', ['type', 'id'])
@Index('resource_data_claim', ['claim'], { unique: true, where: 'claim is not null' })
@Index('resource_data_removed', ['type', 'removed', 'id'], { where: 'removed is not null and purged is null' })
@Index('resource_data_purged', ['purged', 'id'], { where: 'purged is not null' })
@Index('resource_data_refs', ['refs'], { where: 'refs is not null', type: 'gin' })
export class ResourceDataEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'resource_data_pkey' })
  id: number;

  @Column({ type: 'timestamptz' })
  created: Date;

  @Column({ type: 'timestamptz', nullable: true })
  removed: Date | null;

  @Column({ type: 'timestamptz', nullable: true })
  purged: Date | null;

  @Column({ type: 'integer' })
  revision: number;

  @Column({ type: 'text' })
  type: string;

  @Column({ type: 'text' })
  uuid: string;

  @Column({ type: 'text', nullable: true })
  name: string | null;

  @Column({ type: 'text', nullable: true })
  description: string | null;

  /** a name that only one resource may hold at a time */
  @Column({ type: 'text', nullable: true })
  claim: string | null;

  @Column({ type: 'jsonb' })
  data: JsonObject;

  /** `<field>:<number>` of each reference field that is set */
  @Column({ type: 'text', array: true, nullable: true })
  refs: string[] | null;
}
