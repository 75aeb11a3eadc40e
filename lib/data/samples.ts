/**
 * Either side. Parts of shaped arrays without copies, and the checks that all data sets share.
 */
import type {ArrayValues, ShapedArray} from '../base/arrays';
import {ManyHandsError, oneOf, shown} from '../base/errors';

/** Samples with their targets, as typed arrays. */
export interface Samples {
  xs: ShapedArray;
  ys: ShapedArray;
}

/** Samples `from` to `to - 1` (to the end without `to`): views of the same memory, so nothing is copied. */
export function sampleRange(data: Samples, from: number, to = data.xs.shape[0]): Samples {
  const samples = data.xs.shape[0];
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > samples) {
    throw new ManyHandsError('BAD_OPTION', `There are samples 0 to ${samples}, and the range asked for is ${shown(from)} to ${shown(to)}: give whole numbers with 0 <= from <= to <= ${samples}.`);
  }
  return {xs: part(data.xs, from, to), ys: part(data.ys, from, to)};
}

function part(array: ShapedArray, from: number, to: number): ShapedArray {
  const size = array.shape.slice(1).reduce((product, dim) => product * dim, 1);
  const values: ArrayValues = array.values.subarray(from * size, to * size);
  return {...array, values, shape: [to - from, ...array.shape.slice(1)]};
}

/** Throws BAD_OPTION unless `value` is a whole number in [least, most]; returns it. */
export function wholeNumber(call: string, name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`;
    throw new ManyHandsError('BAD_OPTION', `${call}: ${name} is a whole number, ${range}, and this is ${shown(value)}.`);
  }
  return value as number;
}

/** Throws BAD_OPTION when `options` has a name that `call` does not know. */
export function checkNames(call: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new ManyHandsError('BAD_OPTION', `${call} has no option '${name}'; it knows ${oneOf(known)}.`);
    }
  }
}
