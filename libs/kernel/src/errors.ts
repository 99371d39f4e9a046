/**
 * The one error table. A key is the code on the wire, on HTTP and on NATS alike; the text is for people and may change.
 * `number` is never reused; `http` is the status; `retryable` says whether the same request may succeed later unchanged.
 */
export const ERRORS = {
  // 1xxx: the request itself
  InvalidBodyContent: { number: 1001, http: 400, retryable: false },
  TooDeep: { number: 1002, http: 400, retryable: false },
  BodyTooLarge: { number: 1003, http: 413, retryable: false },
  MissingRequired: { number: 1004, http: 422, retryable: false },
  InvalidField: { number: 1005, http: 422, retryable: false },
  InvalidFormat: { number: 1006, http: 422, retryable: false },
  InvalidOption: { number: 1007, http: 422, retryable: false },
  InvalidReference: { number: 1008, http: 422, retryable: false },
  MinLimitExceeded: { number: 1009, http: 422, retryable: false },
  MaxLimitExceeded: { number: 1010, http: 422, retryable: false },
  MinLengthExceeded: { number: 1011, http: 422, retryable: false },
  MaxLengthExceeded: { number: 1012, http: 422, retryable: false },
  InvalidCharacters: { number: 1013, http: 422, retryable: false },
  NotNullable: { number: 1014, http: 422, retryable: false },
  FieldNotWritable: { number: 1015, http: 422, retryable: false },
  InvalidFilter: { number: 1016, http: 422, retryable: false },
  InvalidHeader: { number: 1017, http: 422, retryable: false },
  DataTooLarge: { number: 1018, http: 422, retryable: false },
  UnsupportedMediaType: { number: 1019, http: 415, retryable: false },
  RequestTimeout: { number: 1020, http: 408, retryable: true },
  // 2xxx: names and states
  NotFound: { number: 2001, http: 404, retryable: false },
  ActionNotAvailable: { number: 2002, http: 422, retryable: false },
  InvalidAction: { number: 2003, http: 422, retryable: false },
  InvalidState: { number: 2004, http: 422, retryable: false },
  TypeUnknown: { number: 2005, http: 404, retryable: false },
  ProcessUnknown: { number: 2006, http: 404, retryable: false },
  MethodNotAllowed: { number: 2007, http: 405, retryable: false },
  Forbidden: { number: 2008, http: 403, retryable: false },
  // 3xxx: races and repeats
  ResourceBusy: { number: 3001, http: 409, retryable: true },
  NotUnique: { number: 3002, http: 409, retryable: false },
  StateChanged: { number: 3003, http: 409, retryable: true },
  IdempotencyKeyReused: { number: 3004, http: 422, retryable: false },
  RevisionMismatch: { number: 3005, http: 412, retryable: false },
  // 4xxx: definitions
  InvalidDefinition: { number: 4001, http: 422, retryable: false },
  DefinitionInUse: { number: 4002, http: 409, retryable: false },
  SystemDefinition: { number: 4003, http: 422, retryable: false },
  // 5xxx: handlers and replies
  ReplyRejected: { number: 5001, http: 422, retryable: false },
  HandlerTimeout: { number: 5002, http: 504, retryable: true },
  HandlerFailed: { number: 5003, http: 500, retryable: true },
  HandlerDataRefused: { number: 5004, http: 422, retryable: false },
  HandlerUnknown: { number: 5005, http: 422, retryable: false },
  // 9xxx: us
  StaleRegistry: { number: 9001, http: 503, retryable: true },
  Unavailable: { number: 9002, http: 503, retryable: true },
  Overloaded: { number: 9003, http: 503, retryable: true },
  TooManyRequests: { number: 9004, http: 429, retryable: true },
  Internal: { number: 9999, http: 500, retryable: false },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** More was asked than can be done, and nothing was done: `detail.retryAfterMillis` says when to come again. */
export function isRefusedLoad(error: unknown): error is DroverError & { code: 'Overloaded' | 'TooManyRequests' } {
  return error instanceof DroverError && (error.code === 'Overloaded' || error.code === 'TooManyRequests');
}

/** What a refusal for load says about the next try, milliseconds, or null. */
export function retryAfterMillis({ detail }: Pick<ErrorBody, 'detail'>): number | null {
  const millis = (detail as { retryAfterMillis?: unknown } | null | undefined)?.retryAfterMillis;
  return typeof millis === 'number' && millis > 0 ? millis : null;
}

/** How an error travels between services and to clients. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  detail?: unknown;
  fieldName?: string;
}

/** The one error class. Anything else that is thrown is a bug and reaches the outside as `Internal`, without its text. */
export class DroverError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly extra: { detail?: unknown; fieldName?: string; cause?: unknown } = {},
  ) {
    // Refusals for load are made thousands of times a second, and nobody reads where they came from.
    const depth = Error.stackTraceLimit;
    if (code === 'Overloaded' || code === 'TooManyRequests') Error.stackTraceLimit = 0;
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    Error.stackTraceLimit = depth;
    this.name = 'DroverError';
  }

  get http(): number {
    return ERRORS[this.code].http;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.extra.detail === undefined ? {} : { detail: this.extra.detail }),
      ...(this.extra.fieldName === undefined ? {} : { fieldName: this.extra.fieldName }),
    };
  }

  /** Any thrown value as an error body; what is not ours becomes `Internal` and keeps its text to itself. */
  static bodyOf(error: unknown): ErrorBody {
    return error instanceof DroverError
      ? error.toBody()
      : { code: 'Internal', message: 'Internal error; the log of the service has the cause' };
  }

  static fromBody(body: ErrorBody): DroverError {
    const code: ErrorCode = Object.hasOwn(ERRORS, body.code) ? body.code : 'Internal';
    return new DroverError(code, body.message, { detail: body.detail, fieldName: body.fieldName });
  }
}
