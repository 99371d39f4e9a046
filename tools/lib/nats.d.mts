import type { Child } from './types.mjs';
export declare function startNatsServer(options: {
  path: string;
  dir: string;
  port?: number;
}): Promise<{ child: Child; url: string; port: number; logFile: string }>;
