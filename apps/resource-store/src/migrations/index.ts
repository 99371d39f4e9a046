import type { MigrationInterface, QueryRunner } from 'typeorm';
import { INITIAL_SCHEMA } from './001-initial.sql.js';
import { DEPTH } from './002-depth.sql.js';
import { RESTING } from './003-resting.sql.js';

class Initial1763812800000 implements MigrationInterface {
  name = 'Initial1763812800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(INITIAL_SCHEMA);
  }

  async down(): Promise<void> {
    throw new Error('There is no way back from the first version: drop the database');
  }
}

class Depth1763851200000 implements MigrationInterface {
  name = 'Depth1763851200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DEPTH);
  }

  async down(): Promise<void> {
    throw new Error('There is no way back: restore a backup');
  }
}

class Resting1763942400000 implements MigrationInterface {
  name = 'Resting1763942400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(RESTING);
  }

  async down(): Promise<void> {
    throw new Error('There is no way back: restore a backup');
  }
}

/** In order; a released one is never changed. */
export const MIGRATIONS = [Initial1763812800000, Depth1763851200000, Resting1763942400000];
