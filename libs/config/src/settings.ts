/**
 * One environment variable: its name, how its text is read, and what holds when it is absent or empty.
 * `read` throws an Error that says what the value must be and never repeats it: it may be a secret.
 */
export interface Setting<T> {
  readonly variable: string;
  readonly read: (text: string) => T;
  /** Undefined: the variable must be set. */
  readonly fallback?: { readonly value: T };
}

export type SettingsSpec = Readonly<Record<string, Setting<unknown>>>;

/** The values that a spec yields. */
export type Values<S extends SettingsSpec> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

/** Makes a setting; without a fallback it is required. */
function setting<T>(variable: string, read: (text: string) => T, fallback: T | undefined): Setting<T> {
  return { variable, read, ...(fallback === undefined ? {} : { fallback: { value: fallback } }) };
}

/** Any non-empty text. */
export const text = (variable: string, fallback?: string): Setting<string> =>
  setting(variable, (value) => value, fallback);

/** The path of a folder; whether it exists is checked by whoever reads it. */
export const folder = text;

/** A whole number within bounds. Put the unit into the variable's name: `ENGINE_HANDLER_TIMEOUT_MILLIS`. */
export function integer(
  variable: string,
  { fallback, min = 0, max = Number.MAX_SAFE_INTEGER }: { fallback?: number; min?: number; max?: number } = {},
): Setting<number> {
  const read = (value: string): number => {
    const number = Number(value);
    if (/^-?\d+$/.test(value) && number >= min && number <= max) return number;
    throw new Error(`must be a whole number from ${min} to ${max}`);
  };
  return setting(variable, read, fallback);
}

/** A TCP port; 0 lets the system choose. */
export const port = (variable: string, fallback?: number): Setting<number> =>
  integer(variable, { max: 65_535, ...(fallback === undefined ? {} : { fallback }) });

/** One of a few words. */
export function choice<const T extends string>(
  variable: string,
  words: readonly T[],
  fallback?: NoInfer<T>,
): Setting<T> {
  const read = (value: string): T => {
    const word = words.find((candidate) => candidate === value.toLowerCase());
    if (word !== undefined) return word;
    throw new Error(`must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`);
  };
  return setting(variable, read, fallback);
}

/** `on` or `off`, as a boolean. */
export function flag(variable: string, fallback?: boolean): Setting<boolean> {
  const words = choice(variable, ['on', 'off', 'true', 'false']);
  return setting(variable, (value) => ['on', 'true'].includes(words.read(value)), fallback);
}

/** Words separated by commas; none by default. */
export const list = (variable: string, fallback: readonly string[] = []): Setting<readonly string[]> =>
  setting(
    variable,
    (value) =>
      value
        .split(',')
        .map((word) => word.trim())
        .filter(Boolean),
    fallback,
  );

/** A URL of one of the schemes (`nats`, `postgresql`); several, separated by commas, are fine for a NATS cluster. */
export function url(variable: string, schemes: readonly string[], fallback?: string): Setting<string> {
  const read = (value: string): string => {
    const good = value.split(',').every((part) => schemes.some((scheme) => isUrl(part.trim(), scheme)));
    if (good) return value;
    throw new Error(`must be a URL starting with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`);
  };
  return setting(variable, read, fallback);
}

function isUrl(value: string, scheme: string): boolean {
  return value.startsWith(`${scheme}://`) && URL.canParse(value) && new URL(value).host !== '';
}

/** The same setting, but undefined when the variable is not set. */
export const optional = <T>(of: Setting<T>): Setting<T | undefined> => ({
  variable: of.variable,
  read: of.read,
  fallback: { value: undefined },
});
