import { rows } from '@drover/database';
import { transitioningStates } from '@drover/process-model';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { RegistryService } from '../registry/registry.service.js';
import {
  DOUBLY_FINISHED,
  FEED_GAPS,
  HELD_BUT_RESTING,
  LIVE_AND_FINISHED,
  LOST_COMMANDS,
  RESTING_ELSEWHERE,
  TRANSITIONING_BUT_FREE,
  UNWAKEABLE,
} from '../sql/invariants.sql.js';

/** Violations listed per check: a broken database must not make a broken answer. */
const LIMIT = 100;

/** The checker of the design's invariants, over the stored rows. Empty on a healthy database. */
@Injectable()
export class InvariantsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registry: RegistryService,
  ) {}

  async check(): Promise<string[]> {
    this.registry.forget();
    // Which states are transitioning is the definitions' word: [type, state field, state].
    const types = (await this.registry.types()).all();
    const transitioning = types.flatMap((type) =>
      ['state', ...Object.keys(type.stateFields)].flatMap((field) =>
        [...transitioningStates(type, field)].map((state) => ({ type: type.name, field, state })),
      ),
    );
    // One snapshot: the checks compare tables with each other.
    return this.dataSource.transaction('REPEATABLE READ', async (on) => {
      await on.query('set local statement_timeout = 9000');
      const states = JSON.stringify(transitioning);
      const found: { message: string }[] = [];
      for (const [check, values] of [
        [TRANSITIONING_BUT_FREE, [states, LIMIT]],
        [HELD_BUT_RESTING, [states, LIMIT]],
        [RESTING_ELSEWHERE, [LIMIT]],
        [UNWAKEABLE, [LIMIT]],
        [LIVE_AND_FINISHED, [LIMIT]],
        [DOUBLY_FINISHED, [LIMIT]],
        [FEED_GAPS, [LIMIT]],
        [LOST_COMMANDS, [LIMIT]],
      ] as const)
        found.push(...(await rows<{ message: string }>(on, check, [...values])));
      return found.slice(0, LIMIT).map(({ message }) => message);
    });
  }
}
