import type {
  CommitKind,
  CommitOutcome,
  EncodedTransition,
  ProcessRow,
  ResourceRow,
  TransitionHead,
} from '@drover/contracts';
import { rows } from '@drover/database';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { StoreLog } from '../observability/store-log.js';
import { StoreMetrics } from '../observability/store-metrics.js';
import { Hints } from '../observability/hints.js';
import { ResourceReader } from '../query/resource-reader.js';
import { COMMIT_INSERTS } from '../sql/commit-inserts.sql.js';
import { COMMIT_PLAIN_ENDS, COMMIT_PLAIN_STARTS, COMMIT_PLAIN_STEPS } from '../sql/commit-plain.sql.js';
import { COMMIT_ENDS, COMMIT_STARTS, COMMIT_STEPS } from '../sql/commit-transitions.sql.js';
import { READ_COMMANDS } from '../sql/read-commands.sql.js';
import { CommitLane, type CommitRow, type CommitStatement } from './commit-lane.js';
import { appliedOutcome } from './commit-outcome.js';

/**
 * Takes the batches of all engines, commits them in batches of its own, and says what became of each transition.
 * Four lanes, one connection each: new resources, starts on a free region, ends of processes, and everything else. An end never
 * waits behind starts.
 */
@Injectable()
export class CommitService implements OnModuleDestroy {
  private readonly lanes: Record<CommitKind, CommitLane>;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly reader: ResourceReader,
    private readonly hints: Hints,
    private readonly metrics: StoreMetrics,
    private readonly log: StoreLog,
  ) {
    this.lanes = {
      inserts: this.lane('inserts', COMMIT_INSERTS),
      starts: this.lane('starts', { ...COMMIT_STARTS, plain: COMMIT_PLAIN_STARTS }),
      ends: this.lane('ends', { ...COMMIT_ENDS, plain: COMMIT_PLAIN_ENDS }),
      steps: this.lane('steps', { ...COMMIT_STEPS, plain: COMMIT_PLAIN_STEPS }),
    };
  }

  /** Outcomes in the order of the transitions; answered when the last one is committed. */
  async commit(transitions: EncodedTransition[]): Promise<CommitOutcome[]> {
    const results = await Promise.all(
      transitions.map((transition) => this.lanes[transition.head.kind].commit(transition)),
    );
    const heads = transitions.map(({ head }) => head);
    this.hintWhatChanged(heads, results);
    const outcomes = await this.outcomesOf(heads, results);
    for (const { outcome } of outcomes) this.metrics.outcomes.inc({ outcome });
    return outcomes;
  }

  onModuleDestroy(): void {
    for (const lane of Object.values(this.lanes)) lane.close();
  }

  private hintWhatChanged(heads: TransitionHead[], results: CommitRow[]): void {
    if (heads.some(({ wakeParent, orphans }, i) => (wakeParent !== null || orphans) && results[i]!.verdict === 'ok'))
      this.hints.due();
    if (results.some((result) => result.registered !== null)) this.hints.registry();
    if (results.some((result) => result.verdict === 'ok')) this.hints.feed();
  }

  /** Only the rows that missed cost a further read. */
  private async outcomesOf(heads: TransitionHead[], results: CommitRow[]): Promise<CommitOutcome[]> {
    const wanted = (verdict: CommitRow['verdict']) => heads.filter((_, i) => results[i]!.verdict === verdict);
    const [commands, present] = await Promise.all([
      this.readCommands(wanted('repeat')),
      this.readPresent([...wanted('conflict'), ...wanted('related')].flatMap(({ resourceId }) => resourceId ?? [])),
    ]);
    const repeated = await this.readPresent(
      wanted('repeat').flatMap(({ returnResource, commandId, commandHash }) =>
        returnResource ? (commands.get(commandKey({ commandId, commandHash }))?.resourceId ?? []) : [],
      ),
    );
    return heads.map((head, i): CommitOutcome => {
      const result = results[i]!;
      switch (result.verdict) {
        case 'ok':
          return appliedOutcome(result, head.returnResource);
        case 'repeat': {
          const command = commands.get(commandKey(head));
          if (command?.same !== true) return { outcome: 'commandReused' };
          const resource = repeated.resources.get(command.resourceId) ?? null;
          return { outcome: 'repeat', resourceId: command.resourceId, processId: command.processId, resource };
        }
        case 'staleRegistry':
          return { outcome: 'staleRegistry', registryRevision: result.registry_revision! };
        case 'notUnique':
          return { outcome: 'notUnique', field: head.kind === 'inserts' ? 'uuid' : 'name' };
        case 'claimed':
          return { outcome: 'notUnique', field: 'name' };
        case 'parentEnded':
          return { outcome: 'parentEnded' };
        case 'refused':
          return { outcome: 'refused', message: result.refusal ?? 'unacceptable' };
        default:
          return {
            outcome: 'conflict',
            resource: present.resources.get(head.resourceId ?? 0) ?? null,
            process: present.processes.get(`${head.resourceId}/${head.stateField}`) ?? null,
            ...(result.verdict === 'related' ? { related: true } : {}),
          };
      }
    });
  }

  private async readCommands(heads: TransitionHead[]): Promise<Map<string, StoredCommand>> {
    if (heads.length === 0) return new Map();
    const ids = heads.map(({ commandId }) => commandId);
    const hashes = heads.map(({ commandHash }) => commandHash);
    const found = await rows<StoredCommand>(this.dataSource, READ_COMMANDS, [ids, hashes]);
    return new Map(found.map((command) => [commandKey({ commandId: command.id, commandHash: command.hash }), command]));
  }

  private async readPresent(ids: number[]): Promise<{
    resources: Map<number, ResourceRow>;
    processes: Map<string, ProcessRow>;
  }> {
    const { resources, processes } = await this.reader.byIds(ids);
    return {
      resources: new Map(resources.map((resource) => [resource.id, resource])),
      processes: new Map(processes.map((process) => [`${process.resourceId}/${process.stateField}`, process])),
    };
  }

  private lane(name: string, statement: CommitStatement): CommitLane {
    return new CommitLane({
      dataSource: this.dataSource,
      statement,
      observe: ({ rows: count, millis }) => {
        this.metrics.batchRows.observe({ lane: name }, count);
        this.metrics.batchSeconds.observe({ lane: name }, millis / 1000);
      },
      onLeft: (count) => this.metrics.plainLeft.inc({ lane: name }, count),
      onFailure: (error, count) => {
        this.metrics.batchFailures.inc({ lane: name });
        this.log.warn({ lane: name, rows: count, error }, 'a batch failed');
      },
    });
  }
}

interface StoredCommand {
  id: string;
  hash: string | null;
  /** whether it is the hash of the first time */
  same: boolean;
  resourceId: number;
  processId: number | null;
}

const commandKey = ({ commandId, commandHash }: Pick<TransitionHead, 'commandId' | 'commandHash'>): string =>
  `${commandId} ${commandHash}`;
