import { describe, expect, it, vi } from 'vitest';
import { type CommandReply, operateProcess, startProcess } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import type { EngineRegistry } from '../registry/engine-registry.js';
import { CommandIntake } from './command-intake.js';
import type { Intake } from './intake.js';

const made = () => {
  const intake = { admit: (_arrival: unknown, work: () => Promise<CommandReply>) => work() } as unknown as Intake;
  return new CommandIntake(intake, {} as EngineRegistry);
};
const start = (commandId: string | null, commandHash: string | null = null) =>
  ({ commandId, commandHash, notify: null, process: 'volume.activate', resourceId: 1 }) as never;

/** Work that ends when it is told to. */
function works() {
  const ends: { resolve: (reply: CommandReply) => void; reject: (error: unknown) => void }[] = [];
  const work = () => new Promise<CommandReply>((resolve, reject) => ends.push({ resolve, reject }));
  return { ends, work };
}
const reply = (processId: number) => ({ processId }) as CommandReply;

describe('a command that is asked again', () => {
  it('while it is worked on is worked on once, and all hear the one answer', async () => {
    const commands = made();
    const { ends, work } = works();
    const answers = [1, 2, 3].map(() => commands.start(start('a'), work));
    expect(ends).toHaveLength(1);
    ends[0]!.resolve(reply(7));
    expect(await Promise.all(answers)).toEqual([reply(7), reply(7), reply(7)]);
  });

  it('which is answered at its end, is worked on anew once it was accepted: as a repeat it is answered at once', async () => {
    const commands = made();
    const { ends, work } = works();
    const [first, again] = [1, 2].map(() => commands.start(start('a'), work));
    ends[0]!.resolve(null as never);
    expect(await first).toBeNull();
    await vi.waitUntil(() => ends.length === 2);
    ends[1]!.resolve(reply(7));
    expect(await again).toEqual(reply(7));
  });

  it('hears the one refusal, too', async () => {
    const commands = made();
    const { ends, work } = works();
    const answers = [1, 2].map(() => commands.start(start('a'), work));
    ends[0]!.reject(new DroverError('ActionNotAvailable', 'no'));
    for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: 'ActionNotAvailable' });
  });

  it('after its answer is worked on anew: what the store keeps decides', async () => {
    const commands = made();
    const { ends, work } = works();
    const first = commands.start(start('a'), work);
    ends[0]!.resolve(reply(7));
    await first;
    void commands.start(start('a'), work);
    expect(ends).toHaveLength(2);
  });

  it('is another one with another id, body or kind, or without an id', () => {
    const commands = made();
    const { ends, work } = works();
    void commands.start(start('a'), work);
    void commands.start(start('b'), work);
    void commands.start(start('a', 'hash'), work);
    void commands.update(start('a'), work);
    void commands.start(start(null), work);
    void commands.start(start(null), work);
    expect(ends).toHaveLength(6);
  });

  it('is not refused for load, since it costs nothing', () => {
    const refused = { code: 'Overloaded', message: 'too much' };
    const intake = {
      admit: (_arrival: unknown, work: () => Promise<CommandReply>) => work(),
      refusal: () => refused,
    } as unknown as Intake;
    const commands = new CommandIntake(intake, {} as EngineRegistry);
    void commands.start(start('a'), works().work);
    expect(commands.refusal(startProcess.subject, start('a'))).toBeNull();
    expect(commands.refusal(startProcess.subject, start('b'))).toBe(refused);
    expect(commands.refusal(startProcess.subject, null)).toBe(refused);
    expect(commands.refusal(operateProcess.subject, {})).toBeNull();
  });
});
