/**
 * The flat gradient buffer: where each weight's gradient lies, and the buckets in
 * which they leave, the last layer's first, since backward finds them in that order (Li et al.
 * 2020, "PyTorch Distributed", section 3.2.3).
 */
import type {Graph} from '../model/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';
import {alignUp, packFlat, firstUses, type FlatSlice as WeightPlace} from './packFlat';

/** One weight's place in the flat buffer. */
export interface Place extends WeightPlace {
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

/**
 * Buckets of at least `bucketBytes`, but for the last; a weight is never divided.
 */
export function planBuckets(graph: Graph, sum: GradientSum, bucketBytes: number): BucketPlan {
  const firstUse = firstUses(graph, sum);
  const order = [...sum.entries].sort(
    (a, b) => (firstUse.get(b)?.index ?? -1) - (firstUse.get(a)?.index ?? -1),
  );
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
    const start = alignUp(at);
    const places = packFlat(entries, start).map((place): Place => ({...place, bucket}));
    for (const place of places) {
      const call = firstUse.get(place.entry)?.index;
      if (call !== undefined) finalAt.set(call, [...(finalAt.get(call) ?? []), place]);
      at = place.start + place.length;
    }
    return {start, end: at, places};
  });
  return {length: at, buckets, finalAt};
}
