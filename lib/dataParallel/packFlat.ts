/**
 * Weights laid end to end in one array: what a bucket and a unit have in common.
 */
import type {Graph, LayerCall} from '../model/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';

/** Elements that begin on a cache line, where an engine takes an array without a copy. */
const ALIGN = 16;

/** The next such place from `at` on. */
export const alignUp = (at: number): number => Math.ceil(at / ALIGN) * ALIGN;

/**
 * The first call that uses each weight, in the order of the calls: backward passes a weight's
 * layers from the last call to the first, so there its gradient is done.
 */
export function firstUses(graph: Graph, sum: GradientSum): Map<WeightGradient, LayerCall> {
  const found = new Map<WeightGradient, LayerCall>();
  for (const call of graph.calls)
    for (const entry of sum.of(call.layer)) if (!found.has(entry)) found.set(entry, call);
  return found;
}

/** One weight's place, in elements. */
export interface FlatSlice {
  entry: WeightGradient;
  start: number;
  length: number;
}

/** How many elements of a weight a rank has. */
export type SizeOf = (entry: WeightGradient) => number;
export const ownSize: SizeOf = ({variable}) => variable.size;

/**
 * The places of `entries` from `at` on, without gaps, so that no padding travels: weights of odd
 * lengths stand last, the others begin where an engine needs no copy.
 */
export function packFlat(
  entries: readonly WeightGradient[],
  at = 0,
  sizeOf = ownSize,
): FlatSlice[] {
  const isOdd = (entry: WeightGradient) => Number(sizeOf(entry) % ALIGN > 0);
  let next = at;
  return [...entries]
    .sort((a, b) => isOdd(a) - isOdd(b))
    .map((entry) => {
      const place = {entry, start: next, length: sizeOf(entry)};
      next += place.length;
      return place;
    });
}
