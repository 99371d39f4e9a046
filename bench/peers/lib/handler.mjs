/** The external handler of the peers that call one over HTTP. */
import { serve } from './work.mjs';

const server = await serve(Number(process.env.BENCH_HANDLER_PORT));
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
console.log('ready');
