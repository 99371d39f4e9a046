/**
 * The process as a virtual object: a state machine per resource, keyed by its number, as Restate's "State machines" use
 * case has it. State and the handler's answer are in Restate's journal; its server calls this program over HTTP/2.
 */
import * as restate from '@restatedev/restate-sdk';
import { httpClient } from '../lib/http.mjs';
import { eventOf } from '../lib/work.mjs';

const handler = httpClient(process.env.BENCH_HANDLER_URL, 64);

const benchThing = restate.object({
  name: 'benchThing',
  handlers: {
    run: async (ctx, data) => {
      const resource = (await ctx.get('resource')) ?? { state: 'idle', revision: 1, data: {} };
      if (resource.state !== 'idle') throw new restate.TerminalError('ActionNotAvailable');
      const running = { ...resource, state: 'running', revision: resource.revision + 1 };
      ctx.set('resource', running);
      const key = `${ctx.request().id}`;
      // The step's result is durable before the state moves on; a failing call is retried with growing pauses.
      const answer = await ctx.run('handle', () =>
        handler.post('/handle', eventOf({ key, resourceId: ctx.key, revision: running.revision, data })),
      );
      ctx.set('resource', {
        state: 'idle',
        revision: running.revision + 1,
        data: { ...resource.data, ...answer.data },
      });
      return { revision: running.revision + 1 };
    },
  },
});

await restate.serve({ services: [benchThing], port: Number(process.env.BENCH_SERVICE_PORT) });
console.log('ready');
process.once('SIGTERM', () => process.exit(0));
