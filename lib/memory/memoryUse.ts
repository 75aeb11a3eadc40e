/**
 * What a run reports of a rank's memory.
 */
import type {ByCategory} from './categories';
import type {NamedBuffer} from './ledger';

/** The memory of one rank in a run. */
export interface MemoryUse {
  rank: number;
  /** Bytes of distinct tensor buffers alive at once, at most. */
  peakBytes: number;
  /** What they were for, in bytes; null where no tensor was made. */
  byCategory: ByCategory | null;
  /** The most that parameters, gradients and the optimizer's state held together, in bytes. */
  stateBytes: number;
  /**
   * Where the peak was: the step, from 0, and the layer and operation that made it, where known.
   */
  at: {step: number | null; layer: string | null; operation: string | null};
  /** The largest buffers alive at the peak. */
  largest: NamedBuffer[];
  /**
   * All memory of the worker's process at the end of the run, in bytes: libraries, kernel scratch
   * and JavaScript among it.
   */
  processBytes: number;
}
