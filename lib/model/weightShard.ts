/**
 * A run of a weight along one of its axes, as one rank holds it.
 */
import * as tf from '@tensorflow/tfjs';

/** From `start` up to, not including, `end` along `axis`. */
export interface WeightShard {
  /** Of the weight's dims, from 0. */
  dim: number;
  /** The first place that it has. */
  start: number;
  /** The first that it has no more. */
  end: number;
}

export function shardShape(shape: readonly number[], {dim, start, end}: WeightShard): number[] {
  return shape.map((length, i) => (i === dim ? end - start : length));
}

/**
 * Calls `copy(wholeAt, partAt, length)` for each stretch of elements that lie together in the whole
 * and in the part, both row-major.
 */
function eachStretch(
  shape: readonly number[],
  {dim, start, end}: WeightShard,
  copy: (wholeAt: number, partAt: number, length: number) => void,
): void {
  const inner = tf.util.sizeFromShape(shape.slice(dim + 1));
  const length = (end - start) * inner;
  for (let outer = 0; outer < tf.util.sizeFromShape(shape.slice(0, dim)); outer++)
    copy((outer * shape[dim] + start) * inner, outer * length, length);
}

/** The part of `whole`, a weight of `shape`. */
export function readShard(
  whole: Float32Array,
  shape: readonly number[],
  cut: WeightShard,
): Float32Array {
  const part = new Float32Array(tf.util.sizeFromShape(shardShape(shape, cut)));
  eachStretch(shape, cut, (from, to, length) => part.set(whole.subarray(from, from + length), to));
  return part;
}

/** Puts a part back into `whole`. */
export function writeShard(
  whole: Float32Array,
  shape: readonly number[],
  cut: WeightShard,
  part: Float32Array,
): void {
  eachStretch(shape, cut, (to, from, length) => whole.set(part.subarray(from, from + length), to));
}
