/** A program started by a launcher. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly running: boolean;
  /** Resolves, when the program has ended, to what a person would say about it. */
  readonly exited: Promise<string>;
  /** SIGKILL unless said; resolves at its end. */
  kill(signal?: NodeJS.Signals): Promise<string>;
  /** Its clean stop signal, then SIGKILL when that takes longer than the time. */
  stop(timeoutMillis?: number): Promise<string>;
}
