/**
 * Parts of shaped arrays, without copies.
 */
import type {ArrayValues, ShapedArray} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';

/** Samples with their targets, as typed arrays. */
export interface Samples {
  xs: ShapedArray;
  ys: ShapedArray;
}

/**
 * Samples `from` to `to - 1` (to the end without `to`), xs and ys [to - from, ...]: views of the
 * same memory, so nothing is copied. Throws BAD_OPTION.
 */
export function sampleRange(data: Samples, from: number, to = data.xs.shape[0]): Samples {
  const samples = data.xs.shape[0];
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > samples) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `There are samples 0 to ${samples}, and the range asked for is ${shown(from)} to ${shown(to)}: give whole numbers with 0 <= from <= to <= ${samples}.`,
    );
  }
  return {xs: part(data.xs, from, to), ys: part(data.ys, from, to)};
}

function part(array: ShapedArray, from: number, to: number): ShapedArray {
  const size = array.shape.slice(1).reduce((product, dim) => product * dim, 1);
  const values: ArrayValues = array.values.subarray(from * size, to * size);
  return {...array, values, shape: [to - from, ...array.shape.slice(1)]};
}
