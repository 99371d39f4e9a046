import type { DefinitionRow } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** One version of one definition; never changed once written. */
@Entity('definition')
@Index('definition_revision', ['revision'])
export class DefinitionEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'definition_pkey' })
  name: string;

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'definition_pkey' })
  version: number;

  @Column({ type: 'bigint' })
  revision: number;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  created: Date;

  @Column({ type: 'boolean' })
  system: boolean;

  @Column({ type: 'boolean' })
  deleted: boolean;

  @Column({ type: 'text' })
  hash: string;

  @Column({ type: 'jsonb' })
  document: JsonObject;

  @Column({ type: 'jsonb' })
  warnings: DefinitionRow['warnings'];
}

/** The revision of definitions and handlers together: one row. */
@Entity('registry')
export class RegistryEntity {
  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: 'registry_pkey' })
  id: number;

  @Column({ type: 'bigint' })
  revision: number;
}

/** What was last applied from the folders of definitions: `type/<name>`, `handler/<name>`, and a whole folder as `folder/<system|own>`. */
@Entity('definition_file')
export class DefinitionFileEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'definition_file_pkey' })
  name: string;

  @Column({ type: 'text' })
  hash: string;
}
