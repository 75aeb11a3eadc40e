/**
 * Which samples of a global batch a rank sees: every sample one rank's, none two
 * ranks'.
 */
import {partStart} from '../collectives/types';

/** One rank's share of a micro-batch; it may be empty. */
export interface BatchShard {
  indices: Int32Array;
  /** The place of its first sample within the global batch. */
  firstSample: number;
}

/** Rank r's share of each micro-batch: of its n samples floor(r n/N) to floor((r+1) n/N). */
export function shardBatch(microBatches: Int32Array[], rank: number, size: number): BatchShard[] {
  let before = 0;
  return microBatches.map((all) => {
    const from = partStart(rank, all.length, size);
    const share = {
      indices: all.subarray(from, partStart(rank + 1, all.length, size)),
      firstSample: before + from,
    };
    before += all.length;
    return share;
  });
}
