/**
 * Errors that teach: they say what was wrong, with its value, where, and what to write instead.
 */

/**
 * A stable, documented name for one kind of mistake. Programs can compare it; messages may change.
 */
export type ErrorCode =
  | 'BAD_OPTION'
  | 'BAD_DATA'
  | 'BAD_MODEL'
  | 'BAD_BANK'
  | 'BAD_SCHEDULE'
  | 'MISSING_PACKAGE'
  | 'NOT_YET'
  | 'ENGINE'
  | 'DEVICE'
  | 'WORKER'
  | 'TIMEOUT'
  | 'ABORTED'
  | 'MEMORY_LIMIT'
  | 'NOT_FINITE'
  | 'COLLECTIVE_MISMATCH'
  | 'INTERNAL';

/** The error class of everything that Many Hands throws on purpose. */
export class ManyHandsError extends Error {
  override readonly name = 'ManyHandsError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: {cause?: unknown},
  ) {
    super(message, options);
  }
}

/** Lists the accepted names in an error: `'a'`, `'b'` or `'c'`. */
export function oneOf(names: readonly string[]): string {
  const quoted = names.map((name) => `'${name}'`);
  if (quoted.length < 2) return quoted.join('');
  return `${quoted.slice(0, -1).join(', ')} or ${quoted[quoted.length - 1]}`;
}

/** A value for an error message: short, on one line, with its type. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `a function (${value.name || 'unnamed'})`;
  let text: string;
  try {
    text =
      typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  } catch {
    text = String(value);
  }
  if (text.length > 60) text = `${text.slice(0, 57)}...`;
  return `${text} (${Array.isArray(value) ? 'array' : typeof value})`;
}

/** The message of any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
