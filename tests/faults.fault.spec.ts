import { jetstream } from '@nats-io/jetstream';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { STREAMS, type TransitionEvent } from '@drover/contracts';
import { type ServiceName, startNats, startPostgres, type StackOptions } from '@drover/testing';
import { describe, expect, it } from 'vitest';
import { Cluster, ContainerDriver, Load } from './support/index.js';

const DEFINITIONS = fileURLToPath(new URL('../examples/definitions', import.meta.url));
const DRIVER = 'container-driver';
const IN_FLIGHT = 200;
/** Shorter than an attempt's deadline (45 s): whoever waits for one after a fault fails the test. */
const DRAIN_MILLIS = 30_000;
/** Clocks of engine and database differ by an answer's way. */
const CLOCK_MILLIS = 100;

/** A cluster under load: 200 instances on their way from create to running. Ends with its scope. */
class Scene implements AsyncDisposable {
  /** set by a test that wipes the broker's disk */
  streamLost = false;

  private constructor(
    readonly cluster: Cluster,
    readonly driver: ContainerDriver,
    readonly load: Load,
  ) {}

  static async start(options: StackOptions = {}, work = { shortest: 300, longest: 900 }): Promise<Scene> {
    const cluster = await Cluster.start({ definitions: DEFINITIONS, ...options });
    const driver = await ContainerDriver.start(cluster.stack.natsUrl, DRIVER, work);
    const processConfigs = [{ name: 'instance.create,instance.start' }];
    const { resource } = await cluster.client.create('externalHandler', { name: DRIVER, processConfigs });
    await cluster.client.until(resource.id, { state: 'active' });
    const scene = new Scene(cluster, driver, Load.start(cluster, IN_FLIGHT));
    await scene.busy();
    return scene;
  }

  /** Nearly all are under way: now there is something to lose. */
  async busy(): Promise<void> {
    await expect.poll(() => this.load.inFlight, { timeout: 20_000 }).toBeGreaterThan(IN_FLIGHT * 0.8);
  }

  async query<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.load.database.query<Row>(sql, values)).rows;
  }

  /** SIGKILL, a random while later the same again: a service, or the broker. */
  async shoot(victim: ServiceName | 'nats'): Promise<void> {
    const { stack } = this.cluster;
    await (victim === 'nats' ? stack.nats!.kill() : stack.kill(victim));
    await sleep(Math.random() * 1_000);
    await (victim === 'nats' ? stack.nats!.restart() : stack.restart(victim));
  }

  /** Everything the design promises about work that was accepted, after whatever happened. */
  async expectAllKept(): Promise<void> {
    await this.cluster.client.checkInvariants();
    const { accepted } = this.load;
    await this.expectEachEndedOnce(accepted.map(({ processId }) => processId));
    await this.expectNoFinishedStepSentAgain();
    await this.expectEachContainerMadeOnce(accepted.map(({ resourceId }) => resourceId));
    await this.expectWholeFeed();
    expect(await this.query(`select id, state from resource where type = 'instance' and state <> 'running'`)).toEqual(
      [],
    );
  }

  /** No deadline had to pass: every event was a first attempt, every step a success. */
  async expectNoAttemptLost(): Promise<void> {
    expect(this.driver.events().filter(({ attempt }) => attempt > 1)).toEqual([]);
    const bad = `select id, progress from process_finished, jsonb_array_elements(progress::jsonb -> 'steps') step where step ->> 'outcome' <> 'done' limit 5`;
    expect(await this.query(bad)).toEqual([]);
  }

  private async expectEachEndedOnce(processIds: number[]): Promise<void> {
    const rows = await this.query<{ id: string; ends: number; reason: string }>(
      'select id, count(*)::int as ends, min(exit_reason) as reason from process_finished where id = any ($1) group by id',
      [processIds],
    );
    expect(rows).toHaveLength(new Set(processIds).size);
    expect(rows.filter(({ ends, reason }) => ends !== 1 || reason !== 'DONE')).toEqual([]);
  }

  private async expectNoFinishedStepSentAgain(): Promise<void> {
    const rows = await this.query<{ process_id: string; from_state: string; process: string; time: Date }>(
      `select process_id, from_state, process, time from feed
        where process like 'instance.%' and from_state in ('creating', 'starting') and from_state <> to_state`,
    );
    const began = await this.query<{ process_id: string; process: string }>(
      `select process_id, process from feed where process like 'instance.%' and from_state in ('requested', 'stopped')`,
    );
    const firstOf = new Map(began.map(({ process_id, process }) => [process_id, process]));
    const doneAt = new Map<string, number>();
    for (const { process_id, from_state, time } of rows) {
      const verb = from_state === 'creating' ? 'create' : 'start';
      const hop = firstOf.get(process_id) === `instance.${verb}` ? '' : `${verb}.`;
      doneAt.set(`1pi${process_id}.${hop}handle.${DRIVER}`, time.getTime());
    }
    const events = this.driver.events();
    expect(events.filter(({ key }) => !doneAt.has(key))).toEqual([]);
    expect(new Set(events.map(({ key }) => key)).size).toBe(doneAt.size);
    // An engine that stood still may emit what it decided before: then it carries the id of the attempt that was answered.
    const late = events.filter(({ key, time }) => time > doneAt.get(key)! + CLOCK_MILLIS);
    const sent = new Set(events.filter((event) => !late.includes(event)).map(({ id }) => id));
    expect(late.filter(({ id }) => !sent.has(id))).toEqual([]);
  }

  private async expectEachContainerMadeOnce(resourceIds: number[]): Promise<void> {
    const wanted = [...new Set(resourceIds)].map((id) => `container-1i${id}`).toSorted();
    expect(this.driver.created().toSorted()).toEqual(wanted);
    expect((await this.driver.files()).toSorted()).toEqual(wanted);
  }

  /** Every row of the feed is in the stream once, and those of one resource in order; what was lost with the stream is not asked for. */
  private async expectWholeFeed(): Promise<void> {
    if (this.streamLost) return;
    const rows = await this.query<{ id: string; resource_id: string; revision: number; kind: string; time: Date }>(
      'select id, resource_id, revision, kind, time from feed order by id',
    );
    const last = Number(rows.at(-1)!.id);
    const events = new Map<number, TransitionEvent>();
    const revisions = new Map<string, number>();
    const disorder: TransitionEvent[] = [];
    const consumer = await jetstream(this.cluster.bus.connection).consumers.get(STREAMS.transitions);
    const messages = await consumer.consume();
    const giveUp = setTimeout(() => messages.stop(), 10_000);
    for await (const message of messages) {
      const event = message.json<TransitionEvent>();
      if (events.has(event.sequence) || event.revision !== (revisions.get(event.resourceId) ?? 0) + 1)
        disorder.push({ ...event, resource: {} });
      events.set(event.sequence, event);
      revisions.set(event.resourceId, event.revision);
      if (event.sequence >= last) break;
    }
    clearTimeout(giveUp);
    expect(rows.filter(({ id }) => !events.has(Number(id)))).toEqual([]);
    expect(disorder).toEqual([]);
  }

  /** A line with what was done, for whoever wonders whether there was anything to lose. */
  tell(what: string): void {
    const events = this.driver.events();
    const repeats = events.length - new Set(events.map(({ id }) => id)).size;
    console.info(`${what}; ${this.load.accepted.length} processes, ${events.length} events, ${repeats} sent again`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load.close();
    await this.driver[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

describe('with 200 processes in flight', () => {
  it('engine, store and broker are each killed three times, and no accepted work is lost or done twice', async () => {
    await onScene({}, async (scene) => {
      const victims = shuffled(['process-engine', 'resource-store', 'nats'] as const);
      for (const victim of [...victims, ...shuffled(victims), ...shuffled(victims)]) {
        await scene.busy();
        await sleep(Math.random() * 1_500);
        await scene.shoot(victim);
      }
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`nine kills; the last ${IN_FLIGHT} ended ${drained} ms after the last restart`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('the only engine is killed and restarted: all that was in flight ends soon after', async () => {
    await onScene({}, async (scene) => {
      const { stack } = scene.cluster;
      await stack.kill('process-engine');
      const [{ live }] = (await scene.query<{ live: number }>('select count(*)::int as live from process_live')) as [
        { live: number },
      ];
      const boot = await timed(() => stack.restart('process-engine'));
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`engine killed with ${live} live processes: up again after ${boot} ms, all done ${drained} ms later`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('of two engines one is killed: the other takes over its work within ten seconds', async () => {
    await onScene({ engines: 2 }, async (scene) => {
      const { stack } = scene.cluster;
      const slots = await scene.query<{ slot: number; engine: string; live: number }>(
        `select s.slot, s.engine, count(p.id)::int as live from reply_slot s join process_live p using (slot) group by 1, 2`,
      );
      expect(slots.length).toBeGreaterThanOrEqual(2);
      const killedAt = Date.now();
      await stack.kill('process-engine');
      const orphans = await scene.query<{ id: string }>(`select p.id from process_live p`);
      const left = async (): Promise<number> =>
        (
          await scene.query<{ n: number }>('select count(*)::int as n from process_live where id = any ($1)', [
            orphans.map(({ id }) => id),
          ])
        )[0]!.n;
      await expect.poll(left, { timeout: 15_000 }).toBe(0);
      const taken = Date.now() - killedAt;
      await scene.load.finish(DRAIN_MILLIS);
      scene.tell(
        `one of two engines killed with ${orphans.length} live processes: all of them ended after ${taken} ms`,
      );
      expect(taken).toBeLessThan(10_000);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('an engine that hangs past its lease and comes back does nothing that another has done meanwhile', async () => {
    await onScene({ engines: 2 }, async (scene) => {
      const { stack } = scene.cluster;
      stack.pause('process-engine');
      await sleep(9_000);
      stack.resume('process-engine');
      await sleep(2_000);
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`an engine paused for 9 s; the rest ended ${drained} ms later`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('the store is away for three seconds', async () => {
    await onScene({}, async (scene) => {
      await scene.cluster.stack.kill('resource-store');
      await sleep(3_000);
      await scene.cluster.stack.restart('resource-store');
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`the store was away for 3 s; the rest ended ${drained} ms after its return`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('of two stores one is killed: nothing waits for it', async () => {
    await onScene({ stores: 2 }, async (scene) => {
      await scene.cluster.stack.kill('resource-store');
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`one of two stores killed; the rest ended after ${drained} ms`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('of two stores one hangs past the time-out of a commit and comes back: what it was asked is done once', async () => {
    await onScene({ stores: 2 }, async (scene) => {
      const { stack } = scene.cluster;
      stack.pause('resource-store');
      await sleep(7_000);
      stack.resume('resource-store');
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`a store hung for 7 s; the rest ended ${drained} ms later`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('the broker hangs for four seconds and comes back', async () => {
    await onScene({}, async (scene) => {
      const { pid } = scene.cluster.stack.nats!;
      process.kill(pid, 'SIGSTOP');
      await sleep(4_000);
      process.kill(pid, 'SIGCONT');
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`the broker hung for 4 s; the rest ended ${drained} ms later`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('the whole store of NATS is wiped: no accepted work is lost', async () => {
    await using nats = await startNats();
    await onScene({ nats }, async (scene) => {
      await nats.kill();
      for (const entry of await readdir(join(nats.storeDir, 'store')))
        await rm(join(nats.storeDir, 'store', entry), { recursive: true });
      await nats.restart();
      scene.streamLost = true;
      await sleep(3_000);
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`the broker's disk was wiped; the rest ended ${drained} ms after 3 s of further load`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });

  it('PostgreSQL is killed and comes back on its data', async () => {
    await using postgres = await startPostgres();
    await onScene({ databaseUrl: postgres.url }, async (scene) => {
      await postgres.kill();
      await sleep(1_000);
      await postgres.restart();
      await sleep(2_000);
      const drained = await timed(() => scene.load.finish(DRAIN_MILLIS));
      scene.tell(`PostgreSQL was killed; the rest ended ${drained} ms after 2 s of further load`);
      await scene.expectAllKept();
      await scene.expectNoAttemptLost();
    });
  });
});

/** Keeps the services' logs of what went wrong. */
async function onScene(options: StackOptions, work: (scene: Scene) => Promise<void>): Promise<void> {
  await using scene = await Scene.start(options);
  try {
    await work(scene);
  } catch (error) {
    if (error instanceof Error)
      error.message += `\nlogs: ${await scene.cluster.stack.keepLogs(`faults-${Date.now()}`)}`;
    throw error;
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = Date.now();
  await work();
  return Date.now() - started;
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
