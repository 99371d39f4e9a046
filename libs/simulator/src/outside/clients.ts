import { formatId, type JsonObject } from '@drover/kernel';
import { isStart, type TypeDefinition } from '@drover/process-model';
import type { Answer, Command } from '../engine/commands.js';
import type { World } from '../world/world.js';

const PATIENCE_MILLIS = 8_000;
const MAX_TRIES = 4;
const MAX_RESOURCES = 7;
const ACTIONS = ['retry', 'skip', 'cancel', 'force', 'replay'] as const;

/** Clients and operators: they ask an engine, and ask again with the same command when they are not answered. */
export class Clients {
  /** commands that wait for their answer */
  open = 0;
  private asked = 0;

  constructor(private readonly world: World) {}

  /** Does something that somebody might do now. */
  act(): void {
    const { random, store, faults } = this.world;
    const resources = [...store.resources.keys()];
    if (resources.length < 2 || (resources.length < MAX_RESOURCES && random.chance(0.15))) return this.create();
    if (store.live.size > 0 && random.chance(faults.operator * 0.4)) return this.operate();
    if (random.chance(0.12)) return this.update(random.pick(resources));
    this.start(random.pick(resources));
  }

  private create(): void {
    const { random, now } = this.world;
    const type = random.pick(this.world.types);
    const n = ++this.asked;
    const regions: Record<string, string> = {};
    for (const [name, { initial }] of Object.entries(type.stateFields)) regions[name] = initial;
    const { data, refs } = this.reference(type);
    this.ask({
      kind: 'create',
      commandId: commandId(n),
      type: type.name,
      insert: {
        type: type.name,
        kind: type.name,
        uuid: `${now}-${n}`,
        name: `n${n}`,
        description: null,
        data,
        accountId: null,
        regions,
        ...(refs.length === 0 ? {} : { refs }),
      },
    });
  }

  /** What belongs to an instance, often does. */
  private reference(type: TypeDefinition): { data: JsonObject; refs: string[] } {
    const { random, store } = this.world;
    const field = type.fields['instanceId'];
    const instances = [...store.resources.values()].filter(({ row }) => row.type === field?.to);
    if (field === undefined || instances.length === 0 || random.chance(0.3)) return { data: {}, refs: [] };
    const { id, type: to } = random.pick(instances).row;
    return { data: { instanceId: formatId(this.typeOf(to).idPrefix, id) }, refs: [`instanceId:${id}`] };
  }

  private start(resourceId: number): void {
    const { random, store } = this.world;
    const row = store.resource(resourceId)!;
    const type = this.typeOf(row.type);
    const processes = Object.values(type.processes).filter(({ verb }) => verb !== 'create');
    const legal = processes.filter((process) => {
      const state = process.stateField === 'state' ? row.state : (row.regions[process.stateField]?.state ?? '');
      return isStart(process, state);
    });
    const from = legal.length > 0 && random.chance(0.9) ? legal : processes;
    // Removal ends a story: it should not be the first thing that happens.
    const gentle = from.filter(({ verb }) => verb !== 'remove' && verb !== 'purge');
    const { verb } = random.pick(gentle.length > 0 && random.chance(0.85) ? gentle : from);
    this.ask({ kind: 'start', commandId: commandId(++this.asked), type: type.name, verb, resourceId, data: {} });
  }

  private update(resourceId: number): void {
    const { random, store } = this.world;
    const row = store.resource(resourceId)!;
    const n = ++this.asked;
    this.ask({
      kind: 'update',
      commandId: commandId(n),
      type: row.type,
      resourceId,
      data: { data: { written: n } },
      expectRevision: random.chance(0.5) ? row.revision : null,
    });
  }

  private operate(): void {
    const { random, store } = this.world;
    const { row } = random.pick([...store.live.values()]);
    const type = this.typeOf(row.resourceType);
    const states = Object.values(type.processes).flatMap(({ done }) => Object.values(done));
    const action = random.pick(ACTIONS);
    const state = action === 'force' ? random.pick(states) : null;
    this.ask({ kind: 'operate', commandId: commandId(++this.asked), processId: row.id, action, state });
  }

  private ask(command: Command, tries = 1): void {
    const { world } = this;
    const life = world.anyEngine();
    if (tries === 1) {
      this.open++;
      world.note(() => `a client asks: ${describe(command)}`);
    }
    let settled = false;
    const settle = (answer: Answer): void => {
      if (settled) return;
      settled = true;
      if (answer.kind === 'unknown' && tries < MAX_TRIES && world.random.chance(0.8))
        return void world.at(world.random.int(10, 500), () => this.ask(command, tries + 1));
      this.open--;
      this.told(command, answer, tries);
    };
    const there = world.travel();
    const back = world.travel();
    if (life === null || there === null) return void world.at(PATIENCE_MILLIS, () => settle({ kind: 'unknown' }));
    const token = world.token();
    world.at(there, () =>
      life.run(() =>
        life.engine.commands.carryOut(command, token, (answer) => {
          world.note(() => `${life.name} answers ${command.commandId.slice(-4)}: ${JSON.stringify(answer)}`);
          if (back !== null) world.at(back, () => settle(answer));
        }),
      ),
    );
    world.at(PATIENCE_MILLIS, () => settle({ kind: 'unknown' }));
  }

  private told(command: Command, answer: Answer, tries: number): void {
    const { checks } = this.world;
    if (answer.kind === 'done') checks.accepted(command.commandId, answer.processId);
    if (answer.kind === 'refused' && tries === 1) checks.refused(command.commandId);
  }

  private typeOf(name: string): TypeDefinition {
    return this.world.typeAt(name, 0);
  }
}

function commandId(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

function describe(command: Command): string {
  const name = command.commandId.slice(-4);
  switch (command.kind) {
    case 'create':
      return `${name} create ${command.type}`;
    case 'start':
      return `${name} ${command.type}.${command.verb} of ${command.resourceId}`;
    case 'update':
      return `${name} update of ${command.resourceId}`;
    case 'operate':
      return `${name} ${command.action} ${command.state ?? ''} process ${command.processId}`;
  }
}
