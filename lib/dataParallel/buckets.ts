/**
 * Either side. The flat gradient buffer: where each weight's gradient lies, and the buckets in which they leave, the last layer's
 * first, since backward finds them in that order (Li et al. 2020, "PyTorch Distributed", section 3.2.3).
 */
import type {Graph} from '../step/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';

/** One weight's place, in elements. */
export interface Place {
  entry: WeightGradient;
  start: number;
  length: number;
  bucket: number;
}

export interface Bucket {
  start: number;
  end: number;
  places: Place[];
}

export interface BucketPlan {
  /** Elements of the flat buffer, the gaps between buckets among them. */
  length: number;
  buckets: Bucket[];
  /** For each layer call, the places whose gradient is final once backward has passed it. */
  finalAt: Map<number, Place[]>;
}

/** Elements that begin on a cache line, where an engine takes an array without a copy. */
const ALIGN = 16;

/**
 * Buckets of at least `bucketBytes`, but for the last; a weight is never divided. A bucket has no gaps, so that no padding travels:
 * in it the weights of odd lengths stand last.
 */
export function planBuckets(graph: Graph, sum: GradientSum, bucketBytes: number): BucketPlan {
  // Backward passes a weight's layers from the last call to the first: a tied weight is done at its first use.
  const firstUse = new Map<WeightGradient, number>();
  for (const call of graph.calls) for (const entry of sum.of(call.layer)) if (!firstUse.has(entry)) firstUse.set(entry, call.index);
  const order = [...sum.entries].sort((a, b) => (firstUse.get(b) ?? -1) - (firstUse.get(a) ?? -1));
  const groups: WeightGradient[][] = [];
  let bytes = Infinity;
  for (const entry of order) {
    if (bytes >= bucketBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups[groups.length - 1].push(entry);
    bytes += 4 * entry.variable.size;
  }
  const finalAt = new Map<number, Place[]>();
  let at = 0;
  const buckets = groups.map((entries, bucket): Bucket => {
    at = Math.ceil(at / ALIGN) * ALIGN;
    const start = at;
    const isOdd = (entry: WeightGradient) => Number(entry.variable.size % ALIGN > 0);
    const places = [...entries].sort((a, b) => isOdd(a) - isOdd(b)).map((entry): Place => {
      const place = {entry, start: at, length: entry.variable.size, bucket};
      at += place.length;
      const call = firstUse.get(entry);
      if (call !== undefined) finalAt.set(call, [...(finalAt.get(call) ?? []), place]);
      return place;
    });
    return {start, end: at, places};
  });
  return {length: at, buckets, finalAt};
}
