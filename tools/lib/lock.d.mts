export declare function lockFolder(dir: string, say: (line: string) => void): Promise<() => Promise<void>>;
