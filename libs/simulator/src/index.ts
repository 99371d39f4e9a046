export * from './mutants.js';
export * from './simulate.js';
export type { AdmitRequest, StoreOperation } from './store/operations.js';
export { type Applied, type FeedEntry, type FinishedProcess, type LiveProcess, readProcess } from './store/rows.js';
export { StoreModel } from './store/store-model.js';
export { typesOf } from './world/scenario.js';
export { BEGINNING, type WorldOptions } from './world/world.js';
