import { NOTIFY_PATTERN } from '@drover/contracts';
import { DroverError, isJsonObject, type JsonObject } from '@drover/kernel';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What each key of a command must be where it is given; keys are checked before anything is looked up by them. */
const KEYS = Object.entries<{ is: (value: unknown) => boolean; must: string }>({
  commandId: { is: (value) => typeof value === 'string' && UUID.test(value), must: 'be a UUID' },
  commandHash: { is: isText, must: 'be text' },
  notify: { is: (value) => typeof value === 'string' && NOTIFY_PATTERN.test(value), must: 'be drover.notify.<a>.<b>' },
  answer: { is: (value) => value === 'atEnd', must: 'be atEnd' },
  account: { is: Number.isSafeInteger, must: 'be a number' },
  accountId: { is: Number.isSafeInteger, must: 'be a number' },
  expectRevision: { is: Number.isSafeInteger, must: 'be a number' },
  type: { is: isText, must: 'be text' },
  process: { is: isText, must: 'be text' },
  action: { is: isText, must: 'be text' },
  state: { is: isText, must: 'be text' },
  operator: { is: isText, must: 'be text' },
});

/**
 * Checks what every command carries. Anybody on the broker may send one: nothing of it may reach a batch unseen.
 * @throws DroverError InvalidBodyContent, naming the key
 */
export function checkEnvelope(command: unknown): asserts command is JsonObject {
  if (!isJsonObject(command)) throw new DroverError('InvalidBodyContent', 'A command must be a JSON object');
  for (const [key, { is, must }] of KEYS) {
    const value = command[key];
    if (value !== undefined && value !== null && !is(value))
      throw new DroverError('InvalidBodyContent', `The command's "${key}" must ${must}`, { fieldName: key });
  }
  if (command['answer'] === 'atEnd' && typeof command['notify'] !== 'string')
    throw new DroverError('InvalidBodyContent', 'A command that is answered at its end needs "notify"', {
      fieldName: 'notify',
    });
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 256;
}
