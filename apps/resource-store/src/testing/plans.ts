import * as cleanUp from '../sql/clean-up.sql.js';
import * as due from '../sql/due-work.sql.js';
import * as family from '../sql/family.sql.js';
import * as feed from '../sql/feed.sql.js';
import * as gates from '../sql/gates.sql.js';
import * as presence from '../sql/presence.sql.js';
import * as commands from '../sql/read-commands.sql.js';
import * as resources from '../sql/read-resources.sql.js';
import * as related from '../sql/related.sql.js';
import * as registry from '../sql/registry.sql.js';
import * as slots from '../sql/slots.sql.js';
import * as why from '../sql/why.sql.js';

/**
 * Every export of this folder, for plans.int.spec.ts: a query that is not listed fails it. Values fit the rows that the spec makes.
 */

/** A query whose cost must not grow with what is stored. */
export interface Hot {
  statement: string;
  values: unknown[];
  /** rows of big tables that it may look at, on the spec's 20,000 of each */
  reads: number;
  /** it is about finished work: it may enter the partitions, by key */
  history?: boolean;
  /** why an estimate may be far off, harmlessly */
  loose?: string;
}

const hot = (statement: string, values: unknown[], reads: number, more: Pick<Hot, 'history' | 'loose'> = {}): Hot => ({
  statement,
  values,
  reads,
  ...more,
});

const commandIds = ['c4ca4238-a0b9-2382-0dcc-509a6f75849b', 'c81e728d-9d4c-2f63-6f06-7f89cc14862c'];

export const HOT: Record<string, Hot> = {
  CLAIM_DUE: hot(due.CLAIM_DUE, [64, 5_000], 600),
  UNCLAIM: hot(due.UNCLAIM, [[100_001, 100_002]], 4),
  NEXT_DUE: hot(due.NEXT_DUE, [], 2),
  LOAD_WORK: hot(due.LOAD_WORK, [[100_001, 100_002]], 8),
  LOAD_WORK_BY_PREDECESSOR: hot(due.LOAD_WORK_BY_PREDECESSOR, [[100_008, 100_018]], 8),
  LOAD_WORK_BY_FINISHED: hot(due.LOAD_WORK_BY_FINISHED, [[77, 78]], 80, { history: true }),
  RELEASE_WAITING: hot(due.RELEASE_WAITING, ['away2', 100], 300),
  ANY_WAITING: hot(presence.ANY_WAITING, [], 10),
  WAKE_OLDEST_WAITING: hot(presence.WAKE_OLDEST_WAITING, [], 60),
  READ_FEED: hot(feed.READ_FEED, [39_000, 39_400, 500], 500, { history: true }),
  WAKE_HELD: hot(gates.WAKE_HELD, ['account/7', 100], 5_000),
  ANY_HELD: hot(gates.ANY_HELD, [], 10),
  LIFTED_SCOPES: hot(gates.LIFTED_SCOPES, [], 10),
  WAKE_LIMITED: hot(gates.WAKE_LIMITED, [100], 60),
  LOCK_GATE: hot(gates.LOCK_GATE, ['busy'], 0),
  WRITE_GATE: hot(gates.WRITE_GATE, ['busy', 0, null], 0),
  ENSURE_GATE: hot(gates.ENSURE_GATE, ['busy'], 0),
  ADMIT: hot(gates.ADMIT, ['busy', 100, 64, 5_000], 600),
  ADMIT_TO_SCOPE: hot(gates.ADMIT_TO_SCOPE, ['type/busy', 100, 64, 5_000], 600),
  HAND_OUT_LATER: hot(gates.HAND_OUT_LATER, [[100_001]], 2),
  ANY_LEFT: hot(gates.ANY_LEFT, ['busy', 100], 40),
  ANY_LEFT_IN_SCOPE: hot(gates.ANY_LEFT_IN_SCOPE, ['type/busy', 100], 40),
  READ_COMMANDS: hot(commands.READ_COMMANDS, [commandIds, ['a', 'b']], 4),
  READ_RESOURCES: hot(resources.READ_RESOURCES, [[1, 2, 3, 19_000]], 8),
  READ_LIVE_OF: hot(resources.READ_LIVE_OF, [[1, 2, 3, 19_000]], 8),
  READ_CHILDREN: hot(related.READ_CHILDREN, [100_201, [1], 0, 1_001], 60, { history: true }),
  READ_WHY: hot(why.READ_WHY, [5], 5_000, { history: true, loose: 'it counts who is ahead in a queue' }),
  READ_DEFINITION: hot(registry.READ_DEFINITION, ['type7', null], 10),
  READ_VERSIONS: hot(registry.READ_VERSIONS, ['type7'], 10),
  READ_HANDLERS: hot(registry.READ_HANDLERS, [], 10),
  LIST_DUE_PURGES: hot(cleanUp.LIST_DUE_PURGES, [['volume'], [60_000], ['-infinity'], [0], 200], 1_200),
  DELETE_PURGED: hot(cleanUp.DELETE_PURGED, [8, 100, '-infinity', 0], 1_500, { history: true }),
  TAKE_SLOTS: hot(slots.TAKE_SLOTS, ['e2', 1, true, 5_000, [1], 8, []], 0),
  RENEW_AND_ADOPT_SLOTS: hot(slots.RENEW_AND_ADOPT_SLOTS, ['e', [1], [1], 5_000, true, [1]], 0),
};

/** A statement of a commit lane: its plan is generic, under settings of its own. */
export interface Pinned {
  /** null: commit-plan.int.spec.ts has it, with batches of every kind */
  statement: string | null;
  types: string;
  values: string[];
}

const inCommitPlan: Pinned = { statement: null, types: '', values: [] };

export const PINNED: Record<string, Pinned> = {
  COMMIT_STARTS: inCommitPlan,
  COMMIT_ENDS: inCommitPlan,
  COMMIT_STEPS: inCommitPlan,
  COMMIT_PLAIN_STARTS: inCommitPlan,
  COMMIT_PLAIN_ENDS: inCommitPlan,
  COMMIT_PLAIN_STEPS: inCommitPlan,
  COMMIT_INSERTS: inCommitPlan,
  RELAY_FEED: {
    statement: feed.RELAY_FEED.text,
    types: 'bigint, bigint, int',
    values: ['0', '100', '500'],
  },
  RELAY_RESOURCES: { statement: feed.RELAY_RESOURCES.text, types: 'bigint[]', values: ['{1,2,3}'] },
  LOCK_FAMILY: inCommitPlan,
  WAKE_ORPHANS: inCommitPlan,
  KNOWN_COMMANDS: { statement: commands.KNOWN_COMMANDS.text, types: 'uuid[]', values: [`{${commandIds.join()}}`] },
  SET_PARENT_END: {
    statement: family.SET_PARENT_END.text,
    types: 'bigint[], text[]',
    values: ['{1,2}', '{ended,ended}'],
  },
};

const oneRow = 'its table has one row, or one for each job or pause';
const people = 'a person asks for it; it reads live work or an index once, within statement_timeout';
const definitionChange = 'runs when a definition is changed';
const hourly = 'hourly, in batches, one replica';
const checker = 'the checker reads everything on purpose; nobody runs it on the way of a request';

export const RARE: Record<string, string> = {
  WAKE_SLOT:
    'once per slot whose engine died; an index on the slot would cost every process an entry, for a read of live work',
  COUNT_BY_SLOT: 'every 5 s per replica, for the same reason without an index: it reads live work, never history',
  CREATE_SLOTS: 'at boot',
  RELEASE_SLOTS: oneRow,
  RELAY_LAST: 'reads a sequence',
  RELAY_SNAPSHOT: 'reads no table',
  RELAY_WRITERS: "reads the server's locks, while somebody else's transaction holds the snapshots",
  READ_RELAY: oneRow,
  BEGIN_RELAY_TERM: oneRow,
  RELAY_SAVE: oneRow,
  LOCK_OUT_COMMITS: 'a lock, when a pause is set',
  JOIN_REGISTRY: 'a lock, when a definition is changed',
  SET_PAUSE: oneRow,
  READ_PAUSE: oneRow,
  LIST_PAUSES: people,
  LIFT_PAUSE: oneRow,
  READ_PAUSES: oneRow,
  LOCK_RELATIONS: 'locks by number, no table',
  READ_HINDERED: 'by bitmap scans, in a transaction that allows them: relations.int.spec.ts looks at its plan',
  READ_GATE: people,
  SET_LIMIT: oneRow,
  READ_LIMIT: oneRow,
  READ_LIMITS: oneRow,
  REMOVE_LIMIT: oneRow,
  LIST_LIMITS: people,
  READ_STUCK: people,
  SUM_RESOURCES: 'a person looks at the front page; a jump for each pair of type and state, 10,000 rows of each',
  SUM_LIVE: 'a person looks at the front page; 10,000 rows',
  READ_LEASE: oneRow,
  TAKE_LEASE: oneRow,
  RELEASE_LEASE: oneRow,
  READ_REVISION: oneRow,
  LOCK_REGISTRY: oneRow,
  RAISE_REVISION: oneRow,
  INSERT_DEFINITION: definitionChange,
  COUNT_IN_STATES: definitionChange,
  COUNT_UNPURGED: definitionChange,
  ADD_REGION: definitionChange,
  READ_DEFINITIONS: 'when the registry has changed; it reads as many rows as there are definitions',
  INSERT_DEFINITIONS: definitionChange,
  LAST_VERSIONS: definitionChange,
  READ_FILES: 'at boot',
  READ_FILE: 'at boot',
  WRITE_FILES: 'at boot',
  FORGET_FILE: 'at boot',
  WRITE_HANDLER_FILE: definitionChange,
  READ_NUMBERING: 'at boot',
  LOCK_NUMBERING: 'at the first boot of a shard',
  DELETE_COMMANDS: `${hourly}: by a BRIN index or in the order of the table, 5,000 at a time`,
  DELETE_DEFINITION_VERSIONS: `${hourly}: it reads live work and the definitions`,
  DELETE_GATES: `${hourly}: as many looks as there are gates`,
  RESTING_ELSEWHERE: checker,
  TRANSITIONING_BUT_FREE: checker,
  HELD_BUT_RESTING: checker,
  UNWAKEABLE: checker,
  LIVE_AND_FINISHED: checker,
  DOUBLY_FINISHED: checker,
  FEED_GAPS: checker,
  LOST_COMMANDS: checker,
};

const built = 'built for each request: the spec runs what the services make of it';
const columns = 'a list of columns or an expression';

export const PARTS: Record<string, string> = {
  memberCondition: built,
  readMembers: built,
  setNumbering: 'at the first boot of a shard',
  PLACES: 'a part of statements that are listed',
  RELATED_PAGE: 'a number',
  RELATION_LOCKS: 'a number',
  WORK_COLUMNS: columns,
  RESOURCE_COLUMNS: columns,
  PROCESS_COLUMNS: columns,
  FINISHED_COLUMNS: columns,
  TRANSITION_COLUMNS: columns,
  PLAIN_COLUMNS: columns,
  INSERT_COLUMNS: columns,
  namesOf: columns,
  batchOf: 'a part of the commit statements',
  GONE_STATES: columns,
  HANDLER_STATES: columns,
  millis: columns,
  inMillis: columns,
  fromNow: columns,
  instant: columns,
  claimOf: columns,
  isPause: columns,
  wakeAt: columns,
};
