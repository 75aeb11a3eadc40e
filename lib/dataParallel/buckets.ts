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
  /** Elements of the flat buffer. */
  length: number;
  buckets: Bucket[];
  /** For each layer call, the places whose gradient is final once backward has passed it. */
  finalAt: Map<number, Place[]>;
}

/** Elements of a flat buffer a bucket holds at least, but for the last; a weight is never divided. */
export function planBuckets(graph: Graph, sum: GradientSum, bucketBytes: number): BucketPlan {
  // Backward passes a weight's layers from the last call to the first: a tied weight is done at its first use.
  const firstUse = new Map<WeightGradient, number>();
  for (const call of graph.calls) for (const entry of sum.of(call.layer)) if (!firstUse.has(entry)) firstUse.set(entry, call.index);
  const order = [...sum.entries].sort((a, b) => (firstUse.get(b) ?? -1) - (firstUse.get(a) ?? -1));
  const buckets: Bucket[] = [];
  const finalAt = new Map<number, Place[]>();
  let at = 0;
  for (const entry of order) {
    let bucket = buckets[buckets.length - 1];
    if (!bucket || (bucket.end - bucket.start) * 4 >= bucketBytes) {
      bucket = {start: at, end: at, places: []};
      buckets.push(bucket);
    }
    const place = {entry, start: at, length: entry.variable.size, bucket: buckets.length - 1};
    bucket.places.push(place);
    at += place.length;
    bucket.end = at;
    const call = firstUse.get(entry);
    if (call !== undefined) finalAt.set(call, [...(finalAt.get(call) ?? []), place]);
  }
  return {length: at, buckets, finalAt};
}
