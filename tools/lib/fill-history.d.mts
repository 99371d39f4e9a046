export declare function fillHistory(
  query: (sql: string) => Promise<unknown>,
  options: {
    rows: number;
    days: number;
    feedDays: number;
    resources: number;
    now?: number;
    say?: (line: string) => void;
  },
): Promise<void>;
