import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { GatesJob } from './gates/gates.job.js';
import { Leader } from './leases/leader.js';
import { StoreLog } from './observability/store-log.js';
import { StoreMetrics } from './observability/store-metrics.js';
import { HousekeepingJob } from './partitions/housekeeping.job.js';
import { PresenceJob } from './presence/presence.job.js';
import { RelayJob } from './relay/relay.job.js';
import { SETTINGS, type StoreSettings } from './settings.js';

/** The jobs that one replica runs for all: one lease for all of them, so that an idle cluster writes one row every 1.5 s. */
@Injectable()
export class Background implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly leader: Leader;

  constructor(
    @InjectDataSource() dataSource: DataSource,
    @Inject(SETTINGS) private readonly settings: StoreSettings,
    relay: RelayJob,
    presence: PresenceJob,
    housekeeping: HousekeepingJob,
    gates: GatesJob,
    metrics: StoreMetrics,
    log: StoreLog,
  ) {
    this.leader = new Leader(
      dataSource,
      'background',
      [
        (term) => relay.run(term),
        ({ signal }) => presence.run(signal),
        ({ signal }) => housekeeping.run(signal),
        ({ signal }) => gates.run(signal),
      ],
      {
        change: (leading) => {
          metrics.leader.set(leading ? 1 : 0);
          log.info({ leading }, leading ? 'this replica runs the background jobs' : 'another replica may run the jobs');
        },
        error: (error) => log.warn({ error }, 'the lease of the background jobs was not renewed'),
      },
    );
  }

  onApplicationBootstrap(): void {
    if (this.settings.background === 'on') this.leader.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.leader.stop();
  }
}
