/**
 * A rank's shard of one unit of weights.
 */
import type {Unit, UnitSlice} from './units';

/** This rank's shard of one unit. */
export interface Shard {
  unit: Unit;
  /** Its elements in the unit: `start` to `end` - 1. */
  start: number;
  end: number;
  weights: Float32Array;
  gradients: Float32Array;
}

/** The elements of a weight that are in a shard: `from` to `to` - 1 of its unit. */
export function overlap({start, end}: Shard, slice: UnitSlice): {from: number; to: number} {
  const from = Math.max(start, slice.start);
  return {from, to: Math.max(from, Math.min(end, slice.start + slice.length))};
}
