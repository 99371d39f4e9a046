/** Replaced below once the servers are in place: one PostgreSQL per vitest run. */
export default function setup(): void {}
