/**
 * Checks of options that data sets and models share: the sentence names the call, the
 * option, its range and its value.
 */
import {ManyHandsError, oneOf, shown} from './errors';

/** Throws BAD_OPTION unless `value` is a whole number in [least, most]; returns it. */
export function wholeNumber(
  call: string,
  name: string,
  value: unknown,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    const range =
      most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`;
    throw new ManyHandsError(
      'BAD_OPTION',
      `${call}: ${name} is a whole number, ${range}, and this is ${shown(value)}.`,
    );
  }
  return value as number;
}

/** Throws BAD_OPTION when `options` has a name that `call` does not know. */
export function checkNames(call: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new ManyHandsError(
        'BAD_OPTION',
        `${call} has no option '${name}'; it knows ${oneOf(known)}.`,
      );
    }
  }
}

/**
 * Throws BAD_OPTION unless `value` is a list of whole numbers of `least` or more, `fewest` of them
 * or more; returns it.
 */
export function wholeNumbers(
  call: string,
  name: string,
  value: unknown,
  least: number,
  fewest: number,
): number[] {
  if (
    !Array.isArray(value) ||
    value.length < fewest ||
    !value.every((one) => Number.isInteger(one) && one >= least)
  ) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `${call}: ${name} is a list of ${fewest} or more whole numbers, each ${least} or more, and this is ${shown(value)}.`,
    );
  }
  return value as number[];
}

/**
 * Throws BAD_OPTION unless `value` is a share that dropout can drop: at least 0 and below 1;
 * returns it.
 */
export function dropoutRate(call: string, value: unknown): number {
  if (!(typeof value === 'number' && value >= 0 && value < 1)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `${call}: dropout is the share of elements that is dropped, at least 0 and below 1, and this is ${shown(value)}.`,
    );
  }
  return value;
}
