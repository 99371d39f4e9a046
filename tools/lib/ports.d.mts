export declare function freePort(host?: string): Promise<number>;
export declare function choosePort(options: {
  configured?: string;
  fallback: number;
  host?: string;
  name: string;
  variable: string;
}): Promise<{ port: number; note?: string }>;
