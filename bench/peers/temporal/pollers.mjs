/** As BENCH_POLLERS says: so many, or 0 for a number that the SDK changes with the load, which its documentation recommends. */
const count = Number(process.env.BENCH_POLLERS);
export const pollers = count === 0 ? { type: 'autoscaling' } : { type: 'simple-maximum', maximum: count };
