export declare function preflight(machine?: {
  version?: string;
  platform?: string;
  glibc?: boolean;
  env?: Record<string, string>;
}): string[];
