/**
 * Dividing a global batch among ranks: every sample belongs to exactly one rank.
 */
import {partStart} from '../collectives/types';

/** One rank's share of a micro-batch; it may be empty. */
export interface BatchShard {
  indices: Int32Array;
  /** The position of its first sample in the global batch. */
  firstSample: number;
}

/**
 * A rank's shard of each micro-batch: samples floor(r n/N) to floor((r+1) n/N) of its n samples.
 */
export function shardBatch(microBatches: Int32Array[], rank: number, size: number): BatchShard[] {
  let firstOfMicroBatch = 0;
  return microBatches.map((samples) => {
    const start = partStart(rank, samples.length, size);
    const shard = {
      indices: samples.subarray(start, partStart(rank + 1, samples.length, size)),
      firstSample: firstOfMicroBatch + start,
    };
    firstOfMicroBatch += samples.length;
    return shard;
  });
}
