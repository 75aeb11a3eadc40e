/**
 * How every public function checks its options: one table for each options interface, and one call.
 *
 *     const OPTIONS: OptionTable<CalibrateOptions> = {
 *       'devices?': anything,      // checked elsewhere
 *       'fresh?': trueOrFalse,
 *     };
 *     const {devices = 2, fresh = false} = readOptions('calibrate', options, OPTIONS);
 *
 * The table has one key for each key of the interface; `?` marks the optional ones. The compiler
 * refuses a table that does not match its interface. To share names among interfaces, spread a
 * table into another. A signature should take `options` whole: destructuring in the parameter list
 * fails on null before `readOptions` can explain it.
 *
 * `readOptions` throws BAD_OPTION for a value that is not an object, for an unknown name (with the
 * known names and the nearest of them), for a retired name (with the new one), for a missing name
 * and for a value that its check refuses. A name that other libraries or functions have, and this
 * one does not, can have a sentence of its own: see `OptionPlace.refused`. `checkValue` checks one value that is not part of an
 * options object.
 */
import {isInstance, ManyHandsError, oneOf, shown, type ErrorCode} from './errors';
import {nearest} from './nearest';

/** What a value must be. */
export interface Check {
  /** Ends the sentence "it must be ...". */
  expected: string;
  accepts(value: unknown): boolean;
}

/** The checks of an options interface, by name; `?` follows the names of optional ones. */
export type OptionTable<T> = {
  [K in keyof T & string as undefined extends T[K] ? `${K}?` : K]-?: Check;
};

/** Options that have a new name, wherever the new name is known. */
const RETIRED = new Map([
  ['clipNorm', 'globalClipNorm'],
  ['chunks', 'stagesPerRank'],
]);

/** The new name of an option that was renamed. */
export const successorOf = (name: string): string | undefined => RETIRED.get(name);

const isFiniteNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** Any value: another place checks it. */
export const anything: Check = {expected: 'anything', accepts: () => true};

export const trueOrFalse: Check = {
  expected: 'true or false',
  accepts: (value) => typeof value === 'boolean',
};

export const aString: Check = {expected: 'a string', accepts: (value) => typeof value === 'string'};

/** A string with something in it; `expected` says what. */
export const nonEmptyString = (expected: string): Check => ({
  expected,
  accepts: (value) => typeof value === 'string' && value !== '',
});

export const aFunction: Check = {
  expected: 'a function',
  accepts: (value) => typeof value === 'function',
};

/** An object that is not a list. */
export const anObject: Check = {
  expected: 'an object, {...}',
  accepts: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

/** An object that is neither a list nor an instance of a class, such as a tensor. */
const aPlainObject: Check = {
  expected: 'an object, {...}',
  accepts: (value) => anObject.accepts(value) && !isInstance(value as object),
};

/** What stops a run from outside. */
export const anAbortSignal: Check = {
  expected: "an AbortSignal, such as an AbortController's signal",
  accepts: (value) => value instanceof AbortSignal,
};

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  return {
    expected: `a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}`,
    accepts: (value) => Number.isInteger(value) && least <= Number(value) && Number(value) <= most,
  };
}

/** A finite number above 0; `unit` names what is counted, as in 'bytes, such as 80e9'. */
export function positiveNumber(unit?: string, example?: string): Check {
  const such = example === undefined ? '' : `, such as ${example}`;
  return {
    expected: `a number ${unit === undefined ? '' : `of ${unit} `}above 0${such}`,
    accepts: (value) => isFiniteNumber(value) && value > 0,
  };
}

/** A finite number from `least`; `unit` names what is counted. */
export function numberFrom(least: number, unit?: string): Check {
  return {
    expected: `a number ${unit === undefined ? '' : `of ${unit} `}from ${least}`,
    accepts: (value) => isFiniteNumber(value) && value >= least,
  };
}

/** A share that may be 1 but not 0. */
export const positiveShare: Check = {
  expected: 'a number above 0, up to 1',
  accepts: (value) => isFiniteNumber(value) && value > 0 && value <= 1,
};

/** A share that may be 0 but not 1, as the rate of dropout. */
export const shareBelow1: Check = {
  expected: 'a share, at least 0 and below 1',
  accepts: (value) => isFiniteNumber(value) && value >= 0 && value < 1,
};

/** One of several strings. */
export function nameFrom(names: readonly string[]): Check {
  return {expected: oneOf(names), accepts: (value) => names.includes(value as string)};
}

/** One of several numbers. */
export function numberAmong(numbers: readonly number[]): Check {
  const last = numbers[numbers.length - 1];
  return {
    expected: `${numbers.slice(0, -1).join(', ')} or ${last}`,
    accepts: (value) => numbers.includes(value as number),
  };
}

/** A list of `fewest` or more values. `items` says what they are: 'ranks, such as [0, 1]'. */
export function listOf(items: string, check: Check = anything, fewest = 0): Check {
  return {
    expected: `a list of ${fewest > 0 ? `${fewest} or more ` : ''}${items}`,
    accepts: (value) =>
      Array.isArray(value) && value.length >= fewest && value.every((item) => check.accepts(item)),
  };
}

/** A list of `fewest` or more whole numbers, each `least` or more. */
export const wholeNumbers = (least: number, fewest: number): Check =>
  listOf(`whole numbers, each ${least} or more`, wholeNumber(least), fewest);

/** A value that any of the checks accepts. */
export function either(...checks: Check[]): Check {
  return {
    expected: checks.map(({expected}) => expected).join(', or '),
    accepts: (value) => checks.some((check) => check.accepts(value)),
  };
}

/** Throws BAD_OPTION, as every refusal of an option does. */
export function refuseOption(message: string): never {
  throw new ManyHandsError('BAD_OPTION', message);
}

const display = (value: unknown) => (typeof value === 'number' ? String(value) : shown(value));

/** Returns `value`. Throws BAD_OPTION with the name of the function where `check` refuses it. */
export function checkValue<T>(call: string, name: string, value: T, check: Check): T {
  if (check.accepts(value)) return value;
  refuseOption(`${call}: ${name} must be ${check.expected}; it is ${display(value)}.`);
}

/** Where the options stand, if they are not the options of the function themselves. */
export interface OptionPlace {
  /** The name of the object that holds them, such as 'machine'. */
  path?: string;
  /** What a name is called. @default 'option' */
  noun?: string;
  /** Names that are refused with a sentence of their own. */
  refused?: Refusals;
}

/**
 * Names that are refused, such as an option of fit that has no meaning here. The sentence continues
 * "CALL: the option 'NAME' ...".
 */
export type Refusals = Readonly<Record<string, string | {code: ErrorCode; sentence: string}>>;

function unknownName(
  call: string,
  name: string,
  names: readonly string[],
  prefix: string,
  noun: string,
): never {
  const refusal = `${call} has no ${noun} '${prefix}${name}'.`;
  const successor = successorOf(name);
  if (successor !== undefined && names.includes(successor))
    refuseOption(`${refusal} It is called ${prefix}${successor} now.`);
  const known = names.join(', ');
  const similar = nearest(name, names, Math.max(2, name.length / 2));
  const hint = similar === undefined ? '' : ` Did you mean '${prefix}${similar}'?`;
  refuseOption(`${refusal} It knows: ${known}.${hint}`);
}

/**
 * Returns `options`, or an empty object where they are left out, after checking every name and
 * every value by `table`. Throws BAD_OPTION; `call` is the function's name in the message.
 */
export function readOptions<T extends object>(
  call: string,
  options: T | undefined,
  table: OptionTable<T>,
  {path, noun = 'option', refused = {}}: OptionPlace = {},
): T {
  const checks = Object.entries<Check>(table).map(([key, check]) => ({
    name: key.replace(/\?$/, ''),
    required: !key.endsWith('?'),
    check,
  }));
  const names = checks.map(({name}) => name);
  const given: unknown = options === undefined ? {} : options;
  // A mesh inside other options may be an instance of `Mesh`.
  if (!(path === undefined ? aPlainObject : anObject).accepts(given)) {
    const subject = path === undefined ? `its ${noun}s` : path;
    refuseOption(
      `${call}: ${subject} must be an object with ${names.join(', ')}; ${path === undefined ? 'they are' : 'it is'} ${display(given)}.`,
    );
  }
  const prefix = path === undefined ? '' : `${path}.`;
  const values = given as Record<string, unknown>;
  for (const name of Object.keys(values)) {
    if (names.includes(name)) continue;
    if (Object.hasOwn(refused, name)) {
      const refusal = refused[name];
      const {code, sentence} =
        typeof refusal === 'string' ? {code: 'BAD_OPTION' as const, sentence: refusal} : refusal;
      throw new ManyHandsError(code, `${call}: the ${noun} '${prefix}${name}' ${sentence}`);
    }
    unknownName(call, name, names, prefix, noun);
  }
  for (const {name, required, check} of checks) {
    if (values[name] !== undefined) checkValue(call, `${prefix}${name}`, values[name], check);
    else if (required)
      refuseOption(`${call}: ${prefix}${name} is missing; it must be ${check.expected}.`);
  }
  return given as T;
}
