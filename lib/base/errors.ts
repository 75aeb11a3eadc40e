/**
 * Errors that teach: they say what was wrong, with its value, where, and what to write instead.
 */

/**
 * A stable, documented name for one kind of mistake. Programs can compare it; messages may change.
 * Every error of a public function has one. The only exception is an error that the caller's own
 * code throws in the caller's process (a callback, a listener of `onRun`): as in fit, it is passed
 * on unchanged. Code of the caller that runs in a worker (a layer, a loss, a program of `spmd`)
 * fails with WORKER, a data module with BAD_DATA.
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

/** Whether `value` was made by a class: neither a plain object nor a list, from any realm. */
export function isInstance(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || Array.isArray(value)) return false;
  return (prototype as {constructor?: {name?: string}}).constructor?.name !== 'Object';
}

/** An instance in words: "a Tensor of shape [8, 4]"; null for every other value. */
function instanceWords(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || !isInstance(value)) return null;
  const name = value.constructor?.name || 'object';
  const {shape, name: ownName} = value as {shape?: unknown; name?: unknown};
  const article = /^[AEIOU]/.test(name) ? 'an' : 'a';
  if (Array.isArray(shape)) return `${article} ${name} of shape [${shape.join(', ')}]`;
  if (ArrayBuffer.isView(value)) {
    const {length, byteLength} = value as Uint8Array;
    return `${article} ${name} of length ${length ?? byteLength}`;
  }
  return typeof ownName === 'string' ? `${article} ${name} ('${ownName}')` : `${article} ${name}`;
}

/** A value for an error message: short, on one line, with its type. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `a function (${value.name || 'unnamed'})`;
  const instance = instanceWords(value);
  if (instance !== null) return instance;
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

/**
 * `error` if it is a `ManyHandsError`, otherwise one with `code` and `error` as its cause; `where`
 * begins its message.
 */
export function withCode(error: unknown, code: ErrorCode, where: string): ManyHandsError {
  if (error instanceof ManyHandsError) return error;
  return new ManyHandsError(code, `${where}: ${messageOf(error)}`, {cause: error});
}

/** The message of any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
