import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A program of this folder that runs beside the measuring one, with its configuration, and talks to it in messages. */
export interface Program {
  pid: number;
  send(message: object): void;
  /** The next message. @throws when the program ends first */
  heard<T>(): Promise<T>;
}

/** Starts it; resolves when it says that it is ready. */
export async function startProgram(file: string): Promise<Program> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)));
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code}`)));
  ended.catch(() => undefined);
  const heard = async <T>(): Promise<T> => {
    while (messages.length === 0) await Promise.race([once(child, 'message'), ended]);
    return messages.shift() as T;
  };
  await heard<'ready'>();
  return { pid: child.pid!, send: (message) => void child.send(message), heard };
}
