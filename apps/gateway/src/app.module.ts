import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { MessageBus } from '@drover/messaging';
import type { Logger } from '@drover/telemetry';
import { Backend } from './backend/backend.js';
import { DefinitionsController } from './definitions/definitions.controller.js';
import { Definitions } from './definitions/definitions.js';
import { ErrorFilter } from './errors/error-filter.js';
import { ExternalHandlersController } from './external-handlers/external-handlers.controller.js';
import { ExternalHandlers } from './external-handlers/external-handlers.js';
import { RegisterOverNats } from './external-handlers/register-over-nats.js';
import { ApiRootController } from './front-page/api-root.controller.js';
import { ApiRoot } from './front-page/api-root.js';
import { FrontPageController } from './front-page/front-page.controller.js';
import { FrontPage } from './front-page/front-page.js';
import { HealthController } from './health/health.controller.js';
import { GatewayMetrics } from './health/metrics.js';
import { Readiness } from './health/readiness.js';
import { BuiltinHandlers } from './introspection/builtin-handlers.js';
import { HandlersOf } from './introspection/handlers-of.js';
import {
  ProcessDefinitionsController,
  ResourceDefinitionsController,
} from './introspection/introspection.controller.js';
import { Introspection } from './introspection/introspection.js';
import { LimitsController } from './limits/limits.controller.js';
import { Limits } from './limits/limits.js';
import { Log } from './log.js';
import { Overload } from './overload/overload.js';
import { PausesController } from './pauses/pauses.controller.js';
import { Pauses } from './pauses/pauses.js';
import { Graphviz } from './pictures/graphviz.js';
import { Pictures } from './pictures/pictures.js';
import { ProcessInstances } from './processes/process-instances.service.js';
import { ProcessExecutionsController, ProcessInstancesController } from './processes/processes.controller.js';
import { Registry } from './registry/registry.js';
import { ResourceCommands } from './resources/resource-commands.js';
import { ResourceLists } from './resources/resource-lists.js';
import { ResourcePaths } from './resources/resource-path.js';
import { ResourceReads } from './resources/resource-reads.js';
import { ResourcesController } from './resources/resources.controller.js';
import { GATEWAY_ID } from './settings.js';
import { Completions } from './waiting/completions.js';
import { DurableHandlers } from './why/durable-handlers.js';
import { Listeners } from './why/listeners.js';
import { WhyController } from './why/why.controller.js';
import { Why } from './why/why.service.js';

/** What the module cannot make itself. */
export interface GatewayParts {
  bus: MessageBus;
  logger: Logger;
  gatewayId: string;
}

@Module({})
export class GatewayModule {
  static with({ bus, logger, gatewayId }: GatewayParts): DynamicModule {
    return {
      module: GatewayModule,
      controllers: [
        HealthController,
        FrontPageController,
        ApiRootController,
        DefinitionsController,
        ProcessDefinitionsController,
        ResourceDefinitionsController,
        ProcessInstancesController,
        ProcessExecutionsController,
        ExternalHandlersController,
        WhyController,
        PausesController,
        LimitsController,
        ResourcesController,
      ],
      providers: [
        { provide: MessageBus, useValue: bus },
        { provide: Log, useValue: logger },
        { provide: GATEWAY_ID, useValue: gatewayId },
        { provide: APP_FILTER, useClass: ErrorFilter },
        Overload,
        Backend,
        Registry,
        Completions,
        GatewayMetrics,
        Readiness,
        ResourcePaths,
        ResourceLists,
        ResourceReads,
        ResourceCommands,
        ProcessInstances,
        ExternalHandlers,
        Pauses,
        Limits,
        RegisterOverNats,
        BuiltinHandlers,
        HandlersOf,
        Introspection,
        Graphviz,
        Pictures,
        Definitions,
        Listeners,
        DurableHandlers,
        Why,
        ApiRoot,
        FrontPage,
      ],
    };
  }
}
