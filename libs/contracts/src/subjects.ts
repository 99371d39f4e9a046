/** Every subject outside the request contracts, in one place. Tokens are checked by whoever declares names (types, verbs, handlers). */
export const SUBJECTS = {
  /** process event of one step: handlers subscribe here, in the queue group named after the handler */
  processEvent: (resourceType: string, verb: string, phase: string, handler: string) =>
    `drover.process.${resourceType}.${verb}.${phase}.${handler}`,
  /** event of a handler whose delivery is durable: kept in a stream until it is acknowledged */
  work: (handler: string, resourceType: string, verb: string, phase: string) =>
    `drover.work.${handler}.${resourceType}.${verb}.${phase}`,
  /** every durable event of one handler: what its consumer reads */
  worksOf: (handler: string) => `drover.work.${handler}.>`,
  works: 'drover.work.>',
  /** cancel notice: plain subscriptions, every replica of the handler hears it */
  cancel: (handler: string) => `drover.cancel.${handler}`,
  /** replies of one slot; the tail is `<process number>.<dispatch>.<token>` */
  replySlot: (slot: number) => `drover.reply.${slot}`,
  reply: (slot: number, process: number, dispatch: number, token: string) =>
    `drover.reply.${slot}.${process}.${dispatch}.${token}`,
  /** every reply subject of a slot that can have been issued */
  repliesOf: (slot: number) => `drover.reply.${slot}.*.*.*`,
  /** subjects below `drover.reply` that were never issued: too few tokens, or too many */
  notReplies: ['drover.reply.*', 'drover.reply.*.*', 'drover.reply.*.*.*', 'drover.reply.*.*.*.*.>'],
  transition: (resourceType: string, verb: string, kind: string) => `drover.transition.${resourceType}.${verb}.${kind}`,
  transitions: 'drover.transition.>',
  /** completion of one process, for whoever asked with `notify`; safe to lose */
  notify: (client: string, call: string) => `drover.notify.${client}.${call}`,
  hint: {
    /** work has fallen due, or will sooner than the engines think; safe to lose */
    due: 'drover.hint.due',
    /** definitions or handler registrations changed; safe to lose */
    registry: 'drover.hint.registry',
    /** feed rows wait for the relay; safe to lose */
    feed: 'drover.hint.feed',
    /** a pause was lifted, or a handler with limits was asked for places; safe to lose */
    gates: 'drover.hint.gates',
  },
} as const;

export const STREAMS = {
  /** every reply, file storage, acknowledged */
  replies: 'REPLY',
  /** the transition feed */
  transitions: 'TRANSITIONS',
  /** events of handlers whose delivery is durable */
  work: 'WORK',
} as const;

/** The consumer of {@link STREAMS}.work that a handler pulls from, in any number of programs. */
export const handlerConsumer = (handler: string): string => `HANDLER_${handler}`;

/** Header of a durable event: where its answer goes. Also in the body, as `replyTo`. */
export const REPLY_TO_HEADER = 'Drover-Reply-To';

/** Fixed number of reply slots; an engine leases some of them. */
export const REPLY_SLOTS = 8;
/** A slot's lease, milliseconds: an engine that does not renew it has lost it. */
export const SLOT_LEASE_MILLIS = 5_000;

/** A subject a completion may be sent to: only of this shape, so that nobody makes an engine publish elsewhere. */
export const NOTIFY_PATTERN = /^drover\.notify\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{1,64}$/;

/** The parts of a reply subject, or null when the subject was not issued by us. */
export function parseReplySubject(
  subject: string,
): { slot: number; process: number; dispatch: number; token: string } | null {
  const match = /^drover\.reply\.(\d{1,3})\.(\d{1,16})\.(\d{1,9})\.([0-9a-f]{24})$/.exec(subject);
  return match === null
    ? null
    : { slot: Number(match[1]), process: Number(match[2]), dispatch: Number(match[3]), token: match[4]! };
}
