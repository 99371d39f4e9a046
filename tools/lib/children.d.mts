import type { Child } from './types.mjs';
export type { Child };
export declare const NODE_FLAGS: string[];
export declare function startChild(options: {
  name: string;
  command: string;
  args?: string[];
  logFile: string;
  stopSignal?: NodeJS.Signals;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}): Child;
export declare function releaseGuard(): Promise<void>;
