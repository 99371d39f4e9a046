/**
 * The process as a virtual object: a state machine per resource, keyed by its number, as Restate's "State Machines" use
 * case has it. The server calls this program over HTTP/2 and keeps its state and steps: it is the external handler.
 */
import * as restate from '@restatedev/restate-sdk';
import { answerTo, eventOf, serve } from '../lib/work.mjs';

const benchThing = restate.object({
  name: 'benchThing',
  handlers: {
    run: async (ctx, data) => {
      const resource = (await ctx.get('resource')) ?? { state: 'idle', revision: 1, data: {} };
      if (resource.state !== 'idle') throw new restate.TerminalError('ActionNotAvailable');
      const revision = resource.revision + 1;
      ctx.set('resource', { ...resource, state: 'running', revision });
      const key = `${ctx.request().id}`;
      // The step's result is durable before the state moves on; a failing step is retried with growing pauses.
      const answer = await ctx.run('handle', () => answerTo(eventOf({ key, resourceId: ctx.key, revision, data })));
      ctx.set('resource', { state: 'idle', revision: revision + 1, data: { ...resource.data, ...answer.data } });
      return { revision: revision + 1 };
    },
  },
});

await serve(Number(process.env.BENCH_COUNTS_PORT));
await restate.serve({ services: [benchThing], port: Number(process.env.BENCH_SERVICE_PORT) });
console.log('ready');
process.once('SIGTERM', () => process.exit(0));
