import { MessageBus } from '@drover/messaging';
import { dataSourceOptions } from '@drover/database';
import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Registry } from 'prom-client';
import { Background } from './background.js';
import { DuePurgesController } from './clean-up/due-purges.controller.js';
import { DuePurgesService } from './clean-up/due-purges.service.js';
import { CommitController } from './commit/commit.controller.js';
import { CommitService } from './commit/commit.service.js';
import { DueWorkController } from './due-work/due-work.controller.js';
import { DueWorkService } from './due-work/due-work.service.js';
import { ENTITIES } from './entities/index.js';
import { AdmissionsService } from './gates/admissions.service.js';
import { GatesController } from './gates/gates.controller.js';
import { GatesJob } from './gates/gates.job.js';
import { LimitsService } from './gates/limits.service.js';
import { PausesService } from './gates/pauses.service.js';
import { MIGRATIONS } from './migrations/index.js';
import { Hints } from './observability/hints.js';
import { StoreLog } from './observability/store-log.js';
import { StoreMetrics } from './observability/store-metrics.js';
import { HousekeepingJob } from './partitions/housekeeping.job.js';
import { PresenceJob } from './presence/presence.job.js';
import { CountsService } from './query/counts.service.js';
import { QueryController } from './query/query.controller.js';
import { InvariantsService } from './query/invariants.service.js';
import { QueryService } from './query/query.service.js';
import { WhyReader } from './query/why-reader.js';
import { ResourceReader } from './query/resource-reader.js';
import { FeedController } from './relay/feed.controller.js';
import { RelatedController } from './related/related.controller.js';
import { RelatedService } from './related/related.service.js';
import { FeedReader } from './relay/feed-reader.js';
import { RelayJob } from './relay/relay.job.js';
import { DefinitionFolder } from './registry/definition-folder.js';
import { HandlerFiles } from './registry/handler-files.js';
import { RegistryController } from './registry/registry.controller.js';
import { RegistryService } from './registry/registry.service.js';
import { SETTINGS, type StoreSettings } from './settings.js';
import { SlotsController } from './slots/slots.controller.js';
import { SlotsService } from './slots/slots.service.js';

/** What the program brings along: made before the application, closed after it. */
export interface Surroundings {
  settings: StoreSettings;
  bus: MessageBus;
  log: StoreLog;
  metrics: Registry;
}

/** The resource store. One folder per concern: the folder's controller names the contracts that it answers. */
@Module({})
export class AppModule {
  static with({ settings, bus, log, metrics }: Surroundings): DynamicModule {
    const database = dataSourceOptions({
      url: settings.databaseUrl,
      applicationName: 'drover-resource-store',
      poolSize: settings.poolSize,
      entities: ENTITIES,
      migrations: MIGRATIONS,
    });
    return {
      module: AppModule,
      imports: [TypeOrmModule.forRoot({ ...database, retryAttempts: 1_000, retryDelay: 500 })],
      controllers: [
        CommitController,
        QueryController,
        RegistryController,
        DueWorkController,
        DuePurgesController,
        SlotsController,
        FeedController,
        RelatedController,
        GatesController,
      ],
      providers: [
        { provide: SETTINGS, useValue: settings },
        { provide: MessageBus, useValue: bus },
        { provide: StoreLog, useValue: log },
        { provide: StoreMetrics, useValue: new StoreMetrics(metrics) },
        Hints,
        ResourceReader,
        QueryService,
        CountsService,
        WhyReader,
        RelatedService,
        InvariantsService,
        CommitService,
        DueWorkService,
        DuePurgesService,
        SlotsService,
        RegistryService,
        HandlerFiles,
        DefinitionFolder,
        HousekeepingJob,
        PresenceJob,
        PausesService,
        LimitsService,
        AdmissionsService,
        GatesJob,
        FeedReader,
        RelayJob,
        Background,
      ],
    };
  }
}
