/** Request and answer over Restate's HTTP ingress: the answer comes when the invocation has ended. */
import { httpClient } from '../lib/http.mjs';

export async function connect({ ingressUrl, inflight }) {
  const ingress = httpClient(ingressUrl, inflight);
  return {
    runOne: async (resourceId) => {
      await ingress.post(`/benchThing/${resourceId}/run`, { note: 'bench' });
    },
    close: () => ingress.close(),
  };
}
