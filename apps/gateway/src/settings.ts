/** Injection token of this process's own name: part of the subjects it hears completions on. */
export const GATEWAY_ID = Symbol('GATEWAY_ID');
