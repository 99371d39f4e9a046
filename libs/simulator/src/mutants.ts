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
  'pause-ignored': 'engines decide as if nothing were paused',
  'pause-unfenced': 'a pause of a resource leaves decisions valid that were made before it',
  'pause-never-ends': 'what a pause held is not woken when it is lifted',
  'clocks-run-in-pause': 'the total and the waiting clock go on during a pause',
  'limit-ignored': 'engines begin attempts without asking for a place at the handler',
  'places-not-counted': 'the store gives places without counting who has one',
  'place-never-given-on': 'a place that was given up is offered to nobody',
  'open-circuit-admits': 'an open circuit lets attempts through',
  'failures-not-told': "a handler's circuit is not told of failures",
  'stored-is-taken': 'the clock of a durable attempt runs as soon as its event is stored',
  'undelivered-sent-again': 'a durable event that waits for its handler is sent again',
  'never-withdrawn': 'the event of a durable attempt that is over stays in the stream',
  'heartbeat-ignored': 'a silent handler is left to the end of its attempt',
  'handler-total-ignored': "a handler's attempts go on past its total",
  'total-ignored': 'a process goes on past the end of its longest life',
  'late-commits-skipped': 'the relay passes over numbers whose transactions still run',
  'relay-unfenced': "a relay publishes without naming the stream's end",
  'purged-too-early': 'a removed resource is due to be purged at once',
  'purged-never-deleted': 'purged resources are kept for ever',
} as const;

/** A planted defect. */
export type Mutant = keyof typeof MUTANTS;
