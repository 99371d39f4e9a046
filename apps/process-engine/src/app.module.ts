import { type DynamicModule, Module } from '@nestjs/common';
import { MessageBus } from '@drover/messaging';
import type { Logger } from '@drover/telemetry';
import { PURGE_PACE, PurgePace } from './clean-up/pace.js';
import { Purges } from './clean-up/purges.js';
import { CommandsController } from './commands/commands.controller.js';
import { Commands } from './commands/commands.js';
import { Committer } from './commit/committer.js';
import { Dispatcher } from './dispatch/dispatcher.js';
import { DurableDelivery } from './dispatch/durable-delivery.js';
import { DueWork } from './due-work/due-work.js';
import { Admissions } from './gates/admissions.js';
import { CommandIntake } from './intake/command-intake.js';
import { Intake, IntakeSettings } from './intake/intake.js';
import { InProcessHandlers } from './in-process/in-process-handlers.js';
import { Runner } from './in-process/runner.js';
import { DatabaseClock } from './lifecycle/database-clock.js';
import { Effects } from './lifecycle/effects.js';
import { Lifecycle } from './lifecycle/lifecycle.js';
import { WakeUps } from './lifecycle/wake-ups.js';
import { WorkLoader } from './lifecycle/work-loader.js';
import { Log } from './log.js';
import { RelatedReads } from './related/related-reads.js';
import { Related } from './related/related.js';
import { EngineRegistry } from './registry/engine-registry.js';
import { Replies } from './replies/replies.js';
import { ReplySlots } from './replies/reply-slots.js';
import { intakeSettings, type Settings, StreamSettings } from './settings.js';

/** The process engine: decides, and holds nothing that matters. */
@Module({})
export class AppModule {
  static with(bus: MessageBus, logger: Logger, inProcess: InProcessHandlers, settings: Settings): DynamicModule {
    return {
      module: AppModule,
      controllers: [CommandsController],
      providers: [
        { provide: MessageBus, useValue: bus },
        { provide: Log, useValue: logger },
        { provide: InProcessHandlers, useValue: inProcess },
        { provide: PurgePace, useValue: { ...PURGE_PACE, everyMillis: settings.purgeEveryMillis } },
        { provide: StreamSettings, useValue: new StreamSettings(settings) },
        { provide: IntakeSettings, useValue: intakeSettings(settings) },
        DatabaseClock,
        ReplySlots,
        EngineRegistry,
        Committer,
        WakeUps,
        WorkLoader,
        Dispatcher,
        DurableDelivery,
        Runner,
        Admissions,
        Effects,
        Lifecycle,
        Replies,
        DueWork,
        Commands,
        Intake,
        CommandIntake,
        Purges,
        RelatedReads,
        Related,
      ],
    };
  }
}
