/**
 * What the result of a run says about a rank's memory.
 */
import type {ByCategory} from './categories';
import type {NamedBuffer} from './ledger';

/** The memory of one rank in a run. */
export interface MemoryUse {
  rank: number;
  /** The most bytes of distinct tensor buffers alive at once. */
  peakBytes: number;
  /** The bytes in each category at the peak; null if no tensor was made. */
  byCategory: ByCategory | null;
  /** The most that parameters, gradients and the optimizer's state held together, in bytes. */
  stateBytes: number;
  /** When the peak was: the step, from 0, and the layer and operation that made it, if known. */
  at: {step: number | null; layer: string | null; operation: string | null};
  /** The largest buffers alive at the peak. */
  largest: NamedBuffer[];
  /**
   * All memory of the worker's process at the end of the run, in bytes, with libraries, kernel
   * scratch memory and JavaScript.
   */
  processBytes: number;
}
