/**
 * Defects that may be planted, one at a time: a simulation that does not notice them would not notice ours. Each name says what is
 * broken; the text, what the simulator must see.
 */
export const MUTANTS = {
  'publish-before-commit': 'events go out with the commit, not after it',
  'attempt-ignored': 'a reply is taken for whatever attempt is under way',
  'token-ignored': "a reply need not name its process's secret",
  'recovery-at-boot': 'due work is looked for when an engine starts, and then no more',
  'no-fence': 'an engine sends without asking whether its lease still holds',
  'retries-without-bound': 'a retry counts as the first attempt again',
  'merged-twice': 'after an unanswered commit the reply is worked in once more, whatever became of it',
  'done-step-again': 'a retry begins at the first step, not at the one that failed',
  'wake-up-lost': 'a pause between two attempts is stored without its wake-up',
  'preempt-at-once': 'a pre-empting process does not wait for the cancelled attempt',
  'unknown-is-failed': 'a commit that is not answered counts as a failure of the step',
  'ack-before-commit': 'a reply is acknowledged when it is read',
  'no-compare-and-set': 'the store compares neither versions nor revisions',
  'stale-registry': 'the store takes decisions made on an old list of handlers',
  'command-forgotten': 'the store does not remember commands: a repeat starts again',
  'start-beside-live': 'a start asks neither for the state nor whether the region is held',
  'region-left-behind': 'reaching removed leaves what is live in the other regions',
  'feed-skips': 'changes that move no state leave no feed row',
} as const;

/** A planted defect. */
export type Mutant = keyof typeof MUTANTS;
