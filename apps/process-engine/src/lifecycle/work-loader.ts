import { Injectable } from '@nestjs/common';
import { loadWork, type WorkRow } from '@drover/contracts';
import { Batcher } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { awaitedProcesses } from '@drover/process-model';

/** A process as it is now, and what waits for its cancelled attempt. */
export interface LoadedWork {
  live: WorkRow | null;
  successor: WorkRow | null;
}

/** Reads live processes from the store, in batches. */
@Injectable()
export class WorkLoader {
  private readonly batcher: Batcher<number, LoadedWork>;

  constructor(bus: MessageBus) {
    this.batcher = new Batcher({
      maxItems: () => 100,
      lanes: 2,
      flush: async (processIds: number[]) => {
        const { work } = await bus.requestUntilAnswered(
          loadWork,
          { processIds, byPredecessor: true },
          new AbortController().signal,
        );
        const live = new Map(work.map((row) => [row.process.id, row]));
        const successors = new Map(work.flatMap((row) => awaitedProcesses(row.process).map((id) => [id, row])));
        return processIds.map((id) => ({ live: live.get(id) ?? null, successor: successors.get(id) ?? null }));
      },
    });
  }

  load(processId: number): Promise<LoadedWork> {
    return this.batcher.add(processId);
  }
}
