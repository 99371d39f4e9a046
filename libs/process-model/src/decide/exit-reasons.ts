/** Why an execution ended (Cattle's names, and FAILED): flags, not scattered conditions. */
export const EXIT_REASONS = {
  DONE: { terminal: true, result: 'SUCCESS', retry: false },
  ALREADY_DONE: { terminal: true, result: 'SUCCESS', retry: false },
  CHAIN: { terminal: true, result: 'SUCCESS', retry: false },
  CANCELED: { terminal: true, result: 'CANCELED', retry: false },
  FAILED: { terminal: true, result: 'FAILURE', retry: false },
  DELEGATE: { terminal: false, result: null, retry: false },
  DELAY: { terminal: false, result: null, retry: true },
  STATE_CHANGED: { terminal: false, result: null, retry: true },
  RESOURCE_BUSY: { terminal: false, result: null, retry: true },
  UNKNOWN_EXCEPTION: { terminal: false, result: null, retry: true },
  TIMEOUT: { terminal: false, result: null, retry: true },
} as const satisfies Record<
  string,
  { terminal: boolean; result: 'SUCCESS' | 'CANCELED' | 'FAILURE' | null; retry: boolean }
>;

export type ExitReason = keyof typeof EXIT_REASONS;
