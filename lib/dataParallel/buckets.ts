/**
 * The layout of the flat gradient buffer: the slice of each weight's gradient, and the buckets in
 * which gradients are sent. The last layer comes first, because the backward pass computes
 * gradients in that order (Li et al. 2020, "PyTorch Distributed", section 3.2.3).
 */
import type {Graph} from '../model/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';
import {alignUp, firstUses, packFlat, type FlatSlice} from './packFlat';

/** One weight's slice of the flat buffer. */
export interface BucketSlice extends FlatSlice {
  bucket: number;
}

interface Bucket {
  start: number;
  end: number;
  slices: BucketSlice[];
}

export interface BucketPlan {
  /** Elements of the flat buffer, including the gaps between buckets. */
  length: number;
  buckets: Bucket[];
  /** By the index of a layer call, the slices whose gradient is final after its backward pass. */
  finalAt: Map<number, BucketSlice[]>;
}

/**
 * Plans buckets of at least `bucketBytes` each; only the last one may be smaller. A weight is never
 * divided.
 */
export function planBuckets(graph: Graph, sum: GradientSum, bucketBytes: number): BucketPlan {
  const firstUse = firstUses(graph, sum);
  const entriesInOrder = [...sum.entries].sort(
    (a, b) => (firstUse.get(b)?.index ?? -1) - (firstUse.get(a)?.index ?? -1),
  );
  const groups: WeightGradient[][] = [];
  let bytes = Infinity;
  for (const entry of entriesInOrder) {
    if (bytes >= bucketBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups[groups.length - 1].push(entry);
    bytes += 4 * entry.variable.size;
  }
  const finalAt = new Map<number, BucketSlice[]>();
  let length = 0;
  const buckets = groups.map((entries, bucket): Bucket => {
    const start = alignUp(length);
    const slices = packFlat(entries, start).map((slice): BucketSlice => ({...slice, bucket}));
    for (const slice of slices) {
      const call = firstUse.get(slice.entry)?.index;
      if (call !== undefined) finalAt.set(call, [...(finalAt.get(call) ?? []), slice]);
      length = slice.start + slice.length;
    }
    return {start, end: length, slices};
  });
  return {length, buckets, finalAt};
}
