/**
 * The account that starts everything at once, in a program of its own: told by run/flood.ts which resources, it answers with what became of
 * the starts when all were accepted. In the program of whoever is measured beside it, what that one waited for would be this one's sending.
 */
import { startProcess } from '@drover/contracts';
import { DroverError, isRefusedLoad, retryAfterMillis } from '@drover/kernel';
import { connectNats, MessageBus } from '@drover/messaging';
import { type Config, readConfig } from './config.js';
import { seconds } from './measuring.js';

const FLOODING = 1;

/** What became of the flood. */
export interface Flooded {
  accepted: number;
  refusals: number;
  /** requests that were not answered in time, and were sent again */
  unanswered: number;
  tookSeconds: number;
}

const connection = await connectNats(readConfig<Config>().natsUrl, 'bench-flood');
const bus = new MessageBus(connection);
process.once('message', (resources: number[]) => {
  void sendAll(resources).then(async (flooded) => {
    process.send!(flooded);
    await connection.close();
    process.disconnect();
  });
});
process.send!('ready');

/** All at once; a refused start comes again when it was told to. */
async function sendAll(resources: readonly number[]): Promise<Flooded> {
  const began = performance.now();
  const count = { accepted: 0, refusals: 0, unanswered: 0 };
  const command = {
    commandId: null,
    commandHash: null,
    notify: null,
    account: FLOODING,
    process: 'benchthing.run',
    data: {},
  };
  const one = async (resourceId: number): Promise<void> => {
    for (;;) {
      try {
        await bus.request(startProcess, { ...command, resourceId });
        count.accepted++;
        return;
      } catch (error) {
        if (!(error instanceof DroverError)) throw error;
        if (isRefusedLoad(error)) count.refusals++;
        // Its first try may have been taken: then the state is another one by now.
        else if (error.code === 'ActionNotAvailable' || error.code === 'ResourceBusy') return void count.accepted++;
        else count.unanswered++;
        await seconds((retryAfterMillis(error.toBody()) ?? 1_000) / 1_000);
      }
    }
  };
  await Promise.all(resources.map(one));
  return { ...count, tookSeconds: (performance.now() - began) / 1_000 };
}
