import { CommandEntity, LeaseEntity, ReplySlotEntity } from './coordination.entity.js';
import { FeedEntity, RelayEntity } from './feed.entity.js';
import {
  ConcurrencyLimitEntity,
  GatePlaceEntity,
  GateTurnEntity,
  HandlerGateEntity,
  PauseEntity,
} from './gate.entity.js';
import { ProcessFinishedEntity, ProcessLiveEntity } from './process.entity.js';
import { DefinitionEntity, DefinitionFileEntity, RegistryEntity } from './registry.entity.js';
import { ResourceDataEntity, ResourceEntity } from './resource.entity.js';

/** Every table, for TypeORM. The hot path does not use them: it is hand-written SQL. */
export const ENTITIES = [
  ResourceEntity,
  ResourceDataEntity,
  ProcessLiveEntity,
  ProcessFinishedEntity,
  FeedEntity,
  RelayEntity,
  CommandEntity,
  DefinitionEntity,
  RegistryEntity,
  DefinitionFileEntity,
  ReplySlotEntity,
  LeaseEntity,
  PauseEntity,
  HandlerGateEntity,
  ConcurrencyLimitEntity,
  GatePlaceEntity,
  GateTurnEntity,
];
