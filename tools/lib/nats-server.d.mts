export declare const NATS_VERSION: string;
export declare const NATS_MIN_VERSION: string;

export interface ResolvedNatsServer {
  /** Set instead of `path` when DROVER_NATS_URL names a server that runs already. */
  url?: string;
  path?: string;
  version?: string;
  source: string;
}

export declare function resolveNatsServer(options?: {
  version?: string;
  env?: NodeJS.ProcessEnv;
  say?: (line: string) => void;
}): Promise<ResolvedNatsServer>;
