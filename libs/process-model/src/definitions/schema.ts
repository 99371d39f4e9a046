/**
 * The published JSON Schema of definition documents (2020-12). `docs/reference/definition.schema.json` is a copy; a test keeps
 * them the same. Unions are written as type lists, not `oneOf`, so that one mistake gives one message.
 */
const state = { type: 'string', pattern: '^[a-z][a-z0-9-]{0,62}$' };
const verb = { type: 'string', pattern: '^[a-z][a-z0-9]{0,62}$' };
const processRef = { type: 'string', pattern: '^([A-Za-z][A-Za-z0-9]{0,62}\\.)?[a-z][a-z0-9]{0,62}$' };
const typeName = { type: 'string', pattern: '^[a-z][A-Za-z0-9]{0,62}$' };
const description = { type: 'string', maxLength: 4096 };
const millis = { type: 'integer', minimum: 1, maximum: 31_536_000_000 };
const states = { type: 'array', items: state, uniqueItems: true, maxItems: 200 };
const stateOrMap = {
  type: ['string', 'object'],
  pattern: state.pattern,
  minProperties: 1,
  propertyNames: state,
  additionalProperties: state,
};

const field = {
  type: 'object',
  required: ['type'],
  additionalProperties: false,
  properties: {
    type: {
      enum: ['string', 'password', 'int', 'float', 'boolean', 'date', 'enum', 'json', 'map', 'array', 'reference'],
    },
    to: { ...typeName, description: 'reference: the resource type it points to' },
    options: {
      type: 'array',
      items: { type: 'string' },
      minItems: 1,
      uniqueItems: true,
      description: 'enum: the legal values',
    },
    required: { type: 'boolean', default: false },
    nullable: { type: 'boolean', default: false },
    create: { type: 'boolean', default: true, description: 'may be given when creating' },
    update: { type: 'boolean', default: false, description: 'may be changed by PUT' },
    default: true,
    min: { type: 'number' },
    max: { type: 'number' },
    minLength: { type: 'integer', minimum: 0 },
    maxLength: { type: 'integer', minimum: 0 },
    description,
  },
};

const names = { type: 'array', items: typeName, uniqueItems: true, maxItems: 20 };

const concurrent = { type: ['integer', 'null'], minimum: 1, maximum: 100_000, default: null };

const relationship = {
  type: 'object',
  required: ['list', 'by'],
  additionalProperties: false,
  dependentRequired: { through: ['to'], to: ['through'] },
  properties: {
    list: { ...typeName, description: 'the related resource type' },
    by: { ...typeName, description: 'the reference field that names this resource' },
    through: { ...typeName, description: 'many to many: the type whose resources name both sides' },
    to: { ...typeName, description: 'many to many: its reference field that names the related resource' },
  },
};

const related = {
  type: 'object',
  required: ['forEach', 'process'],
  additionalProperties: false,
  properties: {
    forEach: { ...typeName, description: 'name of a relationship' },
    process: { ...processRef, description: 'process of the related type, started on each of its resources' },
    when: {
      enum: ['before', 'with', 'after'],
      default: 'before',
      description: 'ahead of the pre-listeners; with the handlers, joined after them; behind the post-listeners',
    },
    order: { enum: ['parallel', 'sequence'], default: 'parallel' },
    onFailure: { enum: ['fail', 'ignore'], default: 'fail' },
    onCancel: { enum: ['cancel', 'leave'], default: 'cancel', description: 'what a cancel does with the children' },
    onParentEnd: {
      enum: ['cancel', 'leave'],
      default: 'cancel',
      description:
        'what becomes of the children when the process ends early: by force, into its onError, by pre-emption',
    },
    states: { ...states, minItems: 1, description: 'only resources in one of these states' },
  },
};

/** `defaults`: of a process; a handler's leaves open what the process says. */
const retry = (defaults: boolean) => {
  const or = (value: number): object => (defaults ? { default: value } : {});
  return {
    type: defaults ? 'object' : ['object', 'null'],
    additionalProperties: false,
    properties: {
      maxAttempts: { type: 'integer', minimum: 1, maximum: 1000, ...or(5) },
      initialMillis: { type: 'integer', minimum: 0, maximum: 86_400_000, ...or(2_000) },
      maxMillis: { type: 'integer', minimum: 0, maximum: 86_400_000, ...or(120_000) },
      jitter: { type: 'number', minimum: 0, maximum: 1, ...or(0.2) },
      nonRetryable: {
        type: 'array',
        items: { type: 'string', minLength: 1, maxLength: 100 },
        maxItems: 100,
        uniqueItems: true,
        description: 'error codes that spend the budget at once',
      },
    },
  };
};

const process = {
  type: 'object',
  required: ['start', 'transitioning', 'done'],
  additionalProperties: false,
  properties: {
    start: { ...states, minItems: 1, description: 'states it may start from; a transitioning state pre-empts' },
    transitioning: { ...stateOrMap, description: 'one state, or start state to transitioning state' },
    done: { ...stateOrMap, description: 'one state, or transitioning state to done state' },
    stateField: { ...typeName, default: 'state' },
    delegate: {
      type: ['string', 'object', 'null'],
      pattern: processRef.pattern,
      required: ['to'],
      additionalProperties: false,
      properties: { to: processRef, always: { type: 'boolean', default: false } },
      description: 'process to continue into without resting in done',
    },
    onError: { ...processRef, type: ['string', 'null'], description: 'process started when the attempts are spent' },
    onCancel: {
      ...state,
      type: ['string', 'null'],
      description:
        'after a cancel: a state to rest in; start: the state the run began in; parked: wait for an operator',
      default: 'start',
    },
    timeoutMillis: { ...millis, default: 45_000, description: 'one attempt' },
    heartbeatMillis: {
      ...millis,
      type: ['integer', 'null'],
      default: null,
      description: 'longest silence during an attempt; progress then moves this clock alone',
    },
    retry: retry(true),
    waitMillis: { ...millis, default: 86_400_000, description: 'longest wait for an absent handler' },
    totalMillis: { ...millis, type: ['integer', 'null'], default: null, description: 'longest life of a process' },
    preempt: { enum: ['wait', 'immediate'], default: 'wait' },
    priority: {
      type: 'integer',
      minimum: -1_000_000,
      maximum: 1_000_000,
      default: 0,
      description: 'higher is claimed earlier',
    },
    maxConcurrent: {
      ...concurrent,
      description: 'processes of this name at work at once, over all engines; more are held',
    },
    related: { type: 'array', items: related, maxItems: 50, description: 'work on related resources' },
    include: { ...names, description: 'relationships whose resources are sent along with its events' },
    refuseWhile: { ...names, description: 'relationships that must be empty for it to start' },
    description,
  },
};

const handler = {
  type: 'object',
  required: ['name'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
    uuid: { type: 'string', minLength: 1, maxLength: 128 },
    description,
    priority: { type: 'integer', minimum: -1_000_000, maximum: 1_000_000, default: 1000 },
    retries: { type: ['integer', 'null'], minimum: 1, maximum: 1000, description: 'attempts in all' },
    timeoutMillis: { ...millis, type: ['integer', 'null'], description: 'one attempt' },
    heartbeatMillis: { ...millis, type: ['integer', 'null'], description: 'longest silence during an attempt' },
    totalMillis: { ...millis, type: ['integer', 'null'], description: 'all attempts of a step together' },
    retry: retry(false),
    delivery: {
      enum: ['core', 'durable'],
      default: 'core',
      description: 'core: a NATS subscription; durable: events wait in a stream while the handler is offline',
    },
    maxInFlight: {
      type: ['integer', 'null'],
      minimum: 1,
      maximum: 100_000,
      description: 'attempts under way at once, over all engines; more are held',
    },
    circuitBreaker: {
      type: ['object', 'null'],
      required: ['failures', 'openMillis'],
      additionalProperties: false,
      properties: {
        failures: { type: 'integer', minimum: 1, maximum: 1000, description: 'failed attempts in a row that open it' },
        openMillis: { type: 'integer', minimum: 100, maximum: 86_400_000, description: 'how long it stays open' },
      },
    },
    processConfigs: {
      type: 'array',
      maxItems: 200,
      items: {
        type: 'object',
        required: ['name'],
        additionalProperties: false,
        properties: {
          name: { type: 'string', minLength: 1, maxLength: 4096 },
          onError: { ...processRef, type: ['string', 'null'] },
        },
      },
    },
    processNames: { type: 'string', maxLength: 4096 },
    data: { type: 'object' },
  },
};

const handlers = { type: 'array', items: handler, maxItems: 200 };
const apiVersion = { const: 'drover/v1' };

const resourceType = {
  type: 'object',
  required: ['apiVersion', 'kind', 'name'],
  additionalProperties: false,
  properties: {
    apiVersion,
    kind: { const: 'ResourceType' },
    name: typeName,
    description,
    plural: typeName,
    idPrefix: { type: 'string', pattern: '^[a-z]{1,64}$' },
    extends: { type: ['string', 'null'] },
    fields: { type: 'object', propertyNames: typeName, additionalProperties: field, maxProperties: 500 },
    stateFields: {
      type: 'object',
      propertyNames: typeName,
      maxProperties: 20,
      additionalProperties: {
        type: 'object',
        required: ['initial'],
        additionalProperties: false,
        properties: { initial: state },
      },
    },
    relationships: {
      type: 'object',
      propertyNames: typeName,
      additionalProperties: relationship,
      maxProperties: 100,
      description: 'besides those of the reference fields: hostId gives host',
    },
    defaultProcesses: {
      type: ['object', 'boolean'],
      additionalProperties: false,
      properties: {
        rename: { type: 'object', propertyNames: state, additionalProperties: state },
        renameProcess: { type: 'object', propertyNames: verb, additionalProperties: verb },
        exclude: { type: 'array', items: verb, uniqueItems: true },
      },
    },
    final: states,
    purgeAfterMillis: {
      ...millis,
      type: ['integer', 'null'],
      minimum: 0,
      default: 86_400_000,
      description:
        'how long a resource stays removed before it is purged; null: for ever. Only for types with a purge process',
    },
    maxConcurrent: {
      ...concurrent,
      description: 'processes of this type at work at once, over all engines; more are held',
    },
    processes: { type: 'object', propertyNames: verb, additionalProperties: process, maxProperties: 200 },
    accept: {
      type: 'array',
      items: {
        type: 'object',
        required: ['finding', 'why'],
        additionalProperties: false,
        properties: { finding: { type: 'string' }, state, process: processRef, why: { type: 'string', minLength: 1 } },
      },
    },
    handlers,
  },
};

const handlersDocument = {
  type: 'object',
  required: ['apiVersion', 'kind', 'handlers'],
  additionalProperties: false,
  properties: { apiVersion, kind: { const: 'Handlers' }, handlers },
};

/** JSON Schema 2020-12 of every document that may stand in a definitions folder. */
export const DEFINITION_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'https://drover.dev/schema/definition.schema.json',
  title: 'Drover definition document',
  oneOf: [{ $ref: '#/$defs/ResourceType' }, { $ref: '#/$defs/Handlers' }],
  $defs: { ResourceType: resourceType, Handlers: handlersDocument, Handler: handler },
} as const;
