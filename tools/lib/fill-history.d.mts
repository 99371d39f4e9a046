export declare function fillHistory(
  query: (sql: string) => Promise<unknown[]>,
  options: {
    rows: number;
    days: number;
    feedDays: number;
    resources: number;
    now?: number;
    type?: string;
    verbs?: string[];
    say?: (line: string) => void;
  },
): Promise<void>;
export declare function fillResources(
  query: (sql: string) => Promise<unknown[]>,
  options: { resources: number; type: string; state: string; revision: number; say?: (line: string) => void },
): Promise<void>;
