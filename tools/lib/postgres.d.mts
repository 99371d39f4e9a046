import type { Child } from './types.mjs';
export declare function hasPostgres(root?: string): boolean;
export declare function startPostgresServer(options: {
  dir: string;
  port?: number;
  durable?: boolean;
  settings?: Record<string, string>;
  say?: (line: string) => void;
  root?: string;
  bin?: string;
}): Promise<{ child: Child; url: string; port: number; dataDir: string; logFile: string }>;
