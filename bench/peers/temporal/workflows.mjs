/** The process as a workflow; runs in the SDK's sandbox, so it imports nothing but the workflow package. */
import { proxyActivities, workflowInfo } from '@temporalio/workflow';

const { handle } = proxyActivities({ startToCloseTimeout: '45 seconds', taskQueue: 'bench-handler' });

/** The workflow of a resource's number is its process: while it runs, the resource is transitioning. */
export async function run({ resourceId, data }) {
  const { data: result } = await handle({ key: workflowInfo().runId, resourceId, revision: 2, data });
  return { state: 'idle', result };
}
