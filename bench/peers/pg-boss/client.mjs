/** Sends a job, one insert, and hears of its end by NOTIFY: pg-boss itself tells a producer nothing. */
import { PgBoss } from 'pg-boss';
import { hearEnds } from '../lib/resources.mjs';

export async function connect({ databaseUrl, connections }) {
  const boss = new PgBoss({ connectionString: databaseUrl, max: connections, supervise: false, schedule: false });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  const ends = await hearEnds(databaseUrl);
  let last = 0;
  return {
    runOne: async (resourceId) => {
      const call = String(++last);
      const end = ends.expect(call);
      await boss.send('run', { call, resourceId, data: { note: 'bench' } });
      await end;
    },
    close: async () => {
      await ends.close();
      await boss.stop({ graceful: false });
    },
  };
}
