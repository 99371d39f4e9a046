export declare function toolchains(env?: NodeJS.ProcessEnv): Promise<{
  /** An interpreter that imports nats-py, and the variables it needs; null with `pythonReason` set. */
  python: { path: string; env: Record<string, string> } | null;
  pythonReason: string | null;
  /** The built Go handler; null with `goReason` set. */
  go: string | null;
  goReason: string | null;
}>;
