/** Request and answer over the application's HTTP: the answer comes when the workflow has ended. */
import { httpClient } from '../lib/http.mjs';

export async function connect({ appUrl, inflight }) {
  const app = httpClient(appUrl, inflight);
  return {
    runOne: async (resourceId) => {
      await app.post('/run', { resourceId, data: { note: 'bench' } });
    },
    close: () => app.close(),
  };
}
