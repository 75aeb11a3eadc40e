/**
 * Packing weights into one flat array, for a bucket or for a unit.
 */
import {CACHE_LINE_FLOATS} from '../base/cacheLine';
import type {Graph, LayerCall} from '../model/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';

/** The next element from `offset` on that starts a cache line; there an engine needs no copy. */
export const alignUp = (offset: number): number =>
  Math.ceil(offset / CACHE_LINE_FLOATS) * CACHE_LINE_FLOATS;

/**
 * The first call that uses each weight, in the order of the calls. The backward pass runs from the
 * last call to the first, so a weight's gradient is final after its first call.
 */
export function firstUses(graph: Graph, sum: GradientSum): Map<WeightGradient, LayerCall> {
  const firstUse = new Map<WeightGradient, LayerCall>();
  for (const call of graph.calls)
    for (const entry of sum.of(call.layer)) if (!firstUse.has(entry)) firstUse.set(entry, call);
  return firstUse;
}

/** One weight's slice of a flat array, in elements. */
export interface FlatSlice {
  entry: WeightGradient;
  start: number;
  length: number;
}

/** The number of elements of a weight on a rank. */
export type SizeOf = (entry: WeightGradient) => number;
export const variableSize: SizeOf = ({variable}) => variable.size;

/**
 * The slices of `entries` from element `start` on. There are no gaps, so no padding is sent.
 * Weights of odd lengths come last, so that all others start where an engine needs no copy.
 */
export function packFlat(
  entries: readonly WeightGradient[],
  start = 0,
  sizeOf = variableSize,
): FlatSlice[] {
  const isOdd = (entry: WeightGradient) => Number(sizeOf(entry) % CACHE_LINE_FLOATS > 0);
  let next = start;
  return [...entries]
    .sort((a, b) => isOdd(a) - isOdd(b))
    .map((entry) => {
      const slice = {entry, start: next, length: sizeOf(entry)};
      next += slice.length;
      return slice;
    });
}
