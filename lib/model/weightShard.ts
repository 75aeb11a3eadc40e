/**
 * Worker side. A run of a weight along one of its axes, as one rank holds it.
 */
import * as tf from '@tensorflow/tfjs';

/** From `start` up to, not including, `end` along `axis`. */
export interface WeightCut {
  /** Of the weight's dims, from 0. */
  axis: number;
  /** The first place that it has. */
  start: number;
  /** The first that it has no more. */
  end: number;
}

export function cutShape(shape: readonly number[], {axis, start, end}: WeightCut): number[] {
  return shape.map((length, i) => (i === axis ? end - start : length));
}

/**
 * Calls `copy(wholeAt, partAt, length)` for each stretch of elements that lie together in the whole
 * and in the part, both row-major.
 */
function eachStretch(
  shape: readonly number[],
  {axis, start, end}: WeightCut,
  copy: (wholeAt: number, partAt: number, length: number) => void,
): void {
  const inner = tf.util.sizeFromShape(shape.slice(axis + 1));
  const length = (end - start) * inner;
  for (let outer = 0; outer < tf.util.sizeFromShape(shape.slice(0, axis)); outer++)
    copy((outer * shape[axis] + start) * inner, outer * length, length);
}

/** The part of `whole`, a weight of `shape`. */
export function takePart(
  whole: Float32Array,
  shape: readonly number[],
  cut: WeightCut,
): Float32Array {
  const part = new Float32Array(tf.util.sizeFromShape(cutShape(shape, cut)));
  eachStretch(shape, cut, (from, to, length) => part.set(whole.subarray(from, from + length), to));
  return part;
}

/** Puts a part back into `whole`. */
export function putPart(
  whole: Float32Array,
  shape: readonly number[],
  cut: WeightCut,
  part: Float32Array,
): void {
  eachStretch(shape, cut, (to, from, length) => whole.set(part.subarray(from, from + length), to));
}
