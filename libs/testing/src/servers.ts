/* eslint-disable @nx/enforce-module-boundaries -- tools/ is no Nx project; this file is the one door to it */
/** The one implementation of servers is in tools/lib, since `npm start` needs it before anything is installed. */
export { resolveNatsServer } from '../../../tools/lib/nats-server.mjs';
export { startNatsServer } from '../../../tools/lib/nats.mjs';
export { startPostgresServer } from '../../../tools/lib/postgres.mjs';
export { freePort } from '../../../tools/lib/ports.mjs';
export { startChild, type Child } from '../../../tools/lib/children.mjs';
export { fillHistory, fillResources } from '../../../tools/lib/fill-history.mjs';
