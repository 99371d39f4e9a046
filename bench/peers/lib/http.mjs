import { Pool } from 'undici';

/**
 * Posts JSON over connections that are kept. undici's Pool rather than `fetch`, which is built on it and costs several
 * times its processor time.
 * @param {string} origin       as `http://127.0.0.1:4000`
 * @param {number} connections  most at once; further requests wait
 */
export function httpClient(origin, connections) {
  const pool = new Pool(origin, { connections, pipelining: 1 });
  return {
    /** @returns the parsed answer; throws with its text when the status is not 2xx */
    async post(path, body, headers = {}) {
      const answer = await pool.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      if (answer.statusCode >= 300)
        throw new Error(`${answer.statusCode}: ${(await answer.body.text()).slice(0, 200)}`);
      return answer.body.json();
    },
    close: () => pool.close(),
  };
}
