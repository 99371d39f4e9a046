export * from './after-commit.js';
export { type DeliveryCheck, isOutDurably } from './durable.js';
export { decide, type Decision, type Input } from './decide.js';
export {
  attemptId,
  type Effect,
  guards,
  handlerOfStep,
  regionOf,
  splitStep,
  stepKey,
  type Surroundings,
} from './draft.js';
export * from './executions.js';
export * from './exit-reasons.js';
export { operatorActions, operatorAudit } from './operate.js';
export { isScope, type Limited, Limits, NO_LIMITS, scopeName } from './limits.js';
export { isPause, limitOf, NO_PAUSES, Pauses, splitScope } from './pauses.js';
export { heartbeatOf, retryPolicyOf } from './policies.js';
export { packProgress, type Progress, unpackProgress } from './progress.js';
export {
  MAX_CHILDREN,
  MAX_MEMBERS,
  relatedNeed,
  type RelatedChild,
  type RelatedInput,
  type RelatedMember,
  type RelatedNeed,
} from './related.js';
export * from './reply.js';
export * from './rows-after.js';
export {
  notAvailable,
  planCreate,
  planStart,
  planStartOn,
  planWrite,
  type StartDecision,
  type StartRequest,
} from './start.js';
export { attemptClocks, type AttemptClocks } from './attempts.js';
export { progressPeriodMillis, timeoutOf } from './policies.js';
