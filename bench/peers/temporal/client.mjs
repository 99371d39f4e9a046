/** Starts the workflow of the resource and waits for its result, by the long poll of the SDK's client. */
import { Client, Connection } from '@temporalio/client';

export async function connect({ address }) {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace: 'bench' });
  return {
    runOne: async (resourceId) => {
      await client.workflow.execute('run', {
        taskQueue: 'bench',
        workflowId: `benchThing/${resourceId}`,
        args: [{ resourceId, data: { note: 'bench' } }],
      });
    },
    close: () => connection.close(),
  };
}
