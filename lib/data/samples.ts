/**
 * Samples with their targets, and ranges of them without a copy.
 */
import type {ArrayValues, ShapedArray} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';

/** Samples with their targets, as typed arrays. */
export interface Samples {
  xs: ShapedArray;
  ys: ShapedArray;
}

/**
 * Samples `from` up to but not including `to` (default: the end), xs and ys [to - from, ...], as
 * views of the same memory. Throws BAD_OPTION for a range outside the samples.
 */
export function sampleRange(data: Samples, from: number, to = data.xs.shape[0]): Samples {
  const samples = data.xs.shape[0];
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > samples) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `sampleRange: from is ${shown(from)} and to is ${shown(to)}; give whole numbers with 0 <= from <= to <= ${samples}.`,
    );
  }
  return {xs: slice(data.xs, from, to), ys: slice(data.ys, from, to)};
}

function slice(array: ShapedArray, from: number, to: number): ShapedArray {
  const size = array.shape.slice(1).reduce((product, dim) => product * dim, 1);
  const values: ArrayValues = array.values.subarray(from * size, to * size);
  return {...array, values, shape: [to - from, ...array.shape.slice(1)]};
}
