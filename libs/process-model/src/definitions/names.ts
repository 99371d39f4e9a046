/** Type names become NATS subject tokens and URL segments. */
export const TYPE_NAME = /^[a-z][A-Za-z0-9]{0,62}$/;
/** Verbs become NATS subject tokens and the second half of a process name. */
export const VERB = /^[a-z][a-z0-9]{0,62}$/;
export const STATE_NAME = /^[a-z][a-z0-9-]{0,62}$/;
export const FIELD_NAME = /^[a-z][A-Za-z0-9]{0,62}$/;

/** Fields that every resource has, written and read by the product itself. */
export const ENVELOPE_FIELDS: ReadonlySet<string> = new Set(
  (
    'id type links actions name description uuid kind state transitioning transitioningMessage transitioningProgress ' +
    'created createdTS removed removedTS accountId revision data'
  ).split(' '),
);

/** Links that every resource or process has. */
const LINK_NAMES = 'self processinstance processinstances processexecutions transitions why';
/** First segments under `/v1`, and the singulars of what stands there. Kept in lower case: paths ignore case. */
const ROUTE_NAMES =
  'schema schemas definition definitions processdefinition processdefinitions resourcedefinition resourcedefinitions ' +
  'processinstance processinstances processexecution processexecutions externalhandler externalhandlers subscribe publish ' +
  'openapi openapi.json pause pauses limit limits collection error apiroot processdot resourcedot healthz readyz metrics ping';

const RESERVED_TYPES = new Set(`${LINK_NAMES} ${ROUTE_NAMES}`.split(' '));
const RESERVED_FIELDS = new Set([...[...ENVELOPE_FIELDS].map((name) => name.toLowerCase()), ...LINK_NAMES.split(' ')]);

/** Names that every JavaScript object answers to would make lookups lie. */
function namesPrototype(name: string): boolean {
  return name in Object.prototype;
}

/** May not name a type, singular or plural; any letter case. */
export function isReservedTypeName(name: string): boolean {
  return namesPrototype(name) || RESERVED_TYPES.has(name.toLowerCase());
}

/** May not name a declared field or a state field; any letter case. */
export function isReservedFieldName(name: string): boolean {
  return namesPrototype(name) || RESERVED_FIELDS.has(name.toLowerCase());
}

/** The link of a reference field: `hostId` is followed as `host`, a field of another name under its own. */
export function linkOfReference(field: string): string {
  return field.length > 2 && field.endsWith('Id') ? field.slice(0, -2) : field;
}

/** May not name a link: a reference field `hostId` has the link `host`. */
export function isReservedLink(field: string): boolean {
  return LINK_NAMES.split(' ').includes(linkOfReference(field).toLowerCase());
}

/** A state field `x` shows its progress as `xTransitioning`, `xTransitioningMessage` and `xTransitioningProgress`. */
export function regionFieldNames(stateField: string): string[] {
  return ['', 'Message', 'Progress'].map((end) => `${stateField}Transitioning${end}`);
}

/** +s; +es after s, x and ch. A type that wants another plural says `plural:`. */
export function pluralOf(name: string): string {
  return /(s|x|ch)$/.test(name) ? `${name}es` : `${name}s`;
}

/** First letter and every upper-case letter, lower-cased: `ipAddress` → `ia`. Prefixes of two types may coincide. */
export function idPrefixOf(name: string): string {
  return (name.charAt(0) + name.slice(1).replace(/[^A-Z]/g, '')).toLowerCase();
}

/** `<lower(type)>.<verb>` */
export function processName(typeName: string, verb: string): string {
  return `${typeName}.${verb}`.toLowerCase();
}
