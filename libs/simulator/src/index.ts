export * from './mutants.js';
export * from './simulate.js';
export { StoreModel, type Applied, type StoreOperation } from './store/store-model.js';
export { type FeedEntry, type FinishedProcess, type LiveProcess, readProcess } from './store/rows.js';
export { typesOf } from './world/scenario.js';
export type { WorldOptions } from './world/world.js';
