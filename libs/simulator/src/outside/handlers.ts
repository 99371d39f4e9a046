import type { JsonObject } from '@drover/kernel';
import { type HandlerReply, readReply } from '@drover/process-model';
import type { Address } from '../engine/link.js';
import type { Random } from '../random.js';

/** What a handler does with an event: answers, each after so many milliseconds. */
export type Behaviour = { afterMillis: number; reply: HandlerReply; forged?: boolean }[];

/** The event of one attempt, as its handler gets it. */
export interface HandlerEvent {
  address: Address;
  processName: string;
  timeoutMillis: number;
}

/** Of so many processes one has hardly any luck. */
const UNLUCKY = 6;

/**
 * Draws what a handler does.
 * @param trouble         how often it is something else than one success in time
 * @param heartbeatMillis longest silence that is allowed while it works; null: any
 */
export function behave(
  random: Random,
  event: HandlerEvent,
  trouble: number,
  heartbeatMillis: number | null = null,
): Behaviour {
  const quick = random.int(5, 400);
  const done: Behaviour[number] = { afterMillis: quick, reply: reply(doneBody(random, event)) };
  if (heartbeatMillis !== null && random.chance(trouble)) return atLength(random, event, heartbeatMillis, done);
  const unlucky = event.address.process % UNLUCKY === 0;
  if (!random.chance(unlucky ? Math.min(0.9, trouble * 3) : trouble)) return [done];
  const message = 'no luck';
  // Some processes fail at every attempt: budgets must be spent to be seen.
  switch (unlucky ? random.int(0, 3) : random.int(0, 13)) {
    case 0:
    case 1:
    case 2:
      return [{ afterMillis: quick, reply: reply({ transitioning: 'error', transitioningMessage: message }) }];
    case 3:
      return [{ afterMillis: quick, reply: reply({ transitioning: 'error', retryable: false }) }];
    case 4:
      return [{ afterMillis: quick, reply: reply({ delayMillis: random.int(100, 3_000) }) }];
    case 5:
      return [];
    case 6:
      return [done, { ...done, afterMillis: quick + random.int(0, 900) }];
    case 7:
      return [
        done,
        {
          afterMillis: quick + random.int(0, 50),
          reply: reply({ transitioning: 'error', transitioningMessage: message }),
        },
      ];
    case 8:
      return [
        {
          afterMillis: quick,
          reply: reply({ transitioning: 'yes', transitioningMessage: 'half', transitioningProgress: 50 }),
        },
        { afterMillis: quick + 20, reply: reply({ transitioning: 'yes', transitioningProgress: 70 }) },
        { ...done, afterMillis: quick + random.int(50, 3_000) },
      ];
    case 9:
      return [
        { afterMillis: quick, reply: reply({ nonsense: true }) },
        { ...done, afterMillis: quick + random.int(0, 500) },
      ];
    case 10:
      return [
        { afterMillis: random.int(0, 50), reply: reply({ data: { '+data': { forged: 1 } } }), forged: true },
        done,
      ];
    case 11:
      return [{ ...done, afterMillis: event.timeoutMillis + random.int(-50, 2_000) }];
    case 12:
      return [{ afterMillis: quick, reply: reply({ data: { undeclared: 1 } }) }];
    default:
      return [{ ...done, reply: reply({ ...doneBody(random, event), ...control(random, event) }) }];
  }
}

/** Long work with signs of life: some of it takes longer than an attempt may, some falls silent. */
function atLength(
  random: Random,
  { timeoutMillis }: HandlerEvent,
  heartbeatMillis: number,
  done: Behaviour[number],
): Behaviour {
  const behaviour: Behaviour = [];
  const silent = random.chance(0.4);
  const length = silent
    ? random.int(100, 600)
    : random.int(Math.round(timeoutMillis / 2), Math.round(timeoutMillis * 1.4));
  let at = 0;
  for (at += 100; at < length; at += random.int(heartbeatMillis / 4, heartbeatMillis / 2))
    behaviour.push({ afterMillis: at, reply: reply({ transitioning: 'yes', transitioningMessage: 'at work' }) });
  return silent ? behaviour : [...behaviour, { ...done, afterMillis: at }];
}

function doneBody(random: Random, { address: { process, dispatch } }: HandlerEvent): JsonObject {
  return random.chance(0.3) ? {} : { data: { '+data': { [`p${process % 3}`]: dispatch } } };
}

function control(random: Random, { processName }: HandlerEvent): JsonObject {
  const type = processName.slice(0, processName.indexOf('.'));
  const verb = random.pick(['start', 'stop', 'remove', 'update', 'fly']);
  return random.pick<JsonObject>([{ shouldContinue: false }, { delegate: true }, { chainProcess: `${type}.${verb}` }]);
}

function reply(body: JsonObject): HandlerReply {
  return readReply(body);
}
