import { expect } from 'vitest';
import { failedForGood, type Handler, type World } from './world.js';

/** A thing whose disk is a region of its own: `attach` moves `diskState`. */
export const DISK = `
stateFields: { diskState: { initial: detached } }
processes:
  attach: { stateField: diskState, start: [detached], transitioning: attaching, done: attached }
  detach: { stateField: diskState, start: [attached, attaching], transitioning: detaching, done: detached }`;

/** `run` at work on a thing, with the attempt that its handler was given. */
export async function atWork(world: World, yaml = '') {
  await world.declare(yaml);
  const handler = await world.handler('worker', 'run');
  const { thing, process } = await world.running();
  const delivery = await handler.asked();
  return { handler, thing, process, delivery };
}

/** Another process of the handler has ended: by then, what it answered too late before was looked at as well. */
export async function lateAnswerRead(world: World, handler: Handler, verb = 'run'): Promise<void> {
  handler.answers({});
  await (await world.create()).runs(verb);
}

/** A process of a thing that is parked by "jammed", with its handler. */
export async function parked(world: World, yaml = '') {
  await world.declare(yaml);
  const handler = await world.handler('jam', 'run', [failedForGood('jammed')]);
  const { thing, process } = await world.running();
  expect(await process.ended()).toBe('PARKED');
  return { handler, thing, process };
}
