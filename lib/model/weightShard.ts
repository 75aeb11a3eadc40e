/**
 * A shard of a weight: a range of indices along one of its dims, which one rank holds.
 */
import * as tf from '@tensorflow/tfjs';

/** The indices from `start` up to, not including, `end` along `dim`. */
export interface WeightShard {
  /** Counts from 0. */
  dim: number;
  /** The first index of the shard. */
  start: number;
  /** The index after its last one. */
  end: number;
}

export function shardShape(shape: readonly number[], {dim, start, end}: WeightShard): number[] {
  return shape.map((length, i) => (i === dim ? end - start : length));
}

/**
 * Calls `copy(fullOffset, shardOffset, length)` for each run of elements that is contiguous in the
 * full weight and in the shard, both row-major.
 */
function eachRun(
  shape: readonly number[],
  {dim, start, end}: WeightShard,
  copy: (fullOffset: number, shardOffset: number, length: number) => void,
): void {
  const inner = tf.util.sizeFromShape(shape.slice(dim + 1));
  const length = (end - start) * inner;
  for (let outer = 0; outer < tf.util.sizeFromShape(shape.slice(0, dim)); outer++)
    copy((outer * shape[dim] + start) * inner, outer * length, length);
}

/** Copies a shard out of `full`, a weight of `shape`. */
export function readShard(
  full: Float32Array,
  shape: readonly number[],
  shard: WeightShard,
): Float32Array {
  const values = new Float32Array(tf.util.sizeFromShape(shardShape(shape, shard)));
  eachRun(shape, shard, (from, to, length) => values.set(full.subarray(from, from + length), to));
  return values;
}

/** Copies a shard's `values` into `full`. */
export function writeShard(
  full: Float32Array,
  shape: readonly number[],
  shard: WeightShard,
  values: Float32Array,
): void {
  eachRun(shape, shard, (to, from, length) => full.set(values.subarray(from, from + length), to));
}
