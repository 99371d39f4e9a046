import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@drover/testing';
import { type Child, startChild } from '../../tools/lib/children.mjs';

const PROGRAM = fileURLToPath(new URL('container-driver.mjs', import.meta.url));

/** One line of the driver's log: an event it was sent, by its own clock (`at`) and the engine's (`time`). */
export interface EventLine {
  what: 'event';
  at: number;
  id: string;
  key: string;
  attempt: number;
  time: number;
}

interface CreatedLine {
  what: 'created';
  at: number;
  container: string;
  key: string;
}

/** container-driver.mjs, running. Ends with its scope. */
export class ContainerDriver implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    private readonly child: Child,
  ) {}

  static async start(
    natsUrl: string,
    name: string,
    work: { shortest: number; longest: number },
  ): Promise<ContainerDriver> {
    const folder = await mkdtemp(join(tmpdir(), 'drover-test-driver-'));
    const child = startChild({
      name,
      command: process.execPath,
      args: [PROGRAM, natsUrl, name, folder, String(work.shortest), String(work.longest)],
      logFile: join(folder, 'output.log'),
    });
    const driver = new ContainerDriver(folder, child);
    await waitFor(() => driver.lines().length > 0, { what: `${name} ready: see ${folder}/output.log` });
    return driver;
  }

  events(): EventLine[] {
    return this.lines().filter((line) => line.what === 'event');
  }

  /** Containers that were really made, one entry for each time. */
  created(): string[] {
    return this.lines().flatMap((line) => (line.what === 'created' ? [line.container] : []));
  }

  async files(): Promise<string[]> {
    return (await readdir(this.folder)).filter((file) => file.startsWith('container-'));
  }

  private lines(): (EventLine | CreatedLine)[] {
    const text = readFileSync(join(this.folder, 'log.jsonl'), 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as EventLine | CreatedLine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
