import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder for one server's data. */
export const scratchFolder = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `drover-test-${name}-`));

export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });
