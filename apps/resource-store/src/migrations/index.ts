import type { MigrationInterface, QueryRunner } from 'typeorm';
import { INITIAL_SCHEMA } from './001-initial.sql.js';
import { DEPTH } from './002-depth.sql.js';
import { RESTING } from './003-resting.sql.js';

/** @param name as the database records it: what it is called, and the milliseconds by which migrations are ordered */
function migration(name: string, schema: string, wayBack = 'restore a backup') {
  return class implements MigrationInterface {
    name = name;

    async up(runner: QueryRunner): Promise<void> {
      await runner.query(schema);
    }

    async down(): Promise<void> {
      throw new Error(`There is no way back: ${wayBack}`);
    }
  };
}

/** In order; a released one is never changed. */
export const MIGRATIONS = [
  migration('Initial1763812800000', INITIAL_SCHEMA, 'it is the first version; drop the database'),
  migration('Depth1763851200000', DEPTH),
  migration('Resting1763942400000', RESTING),
];
