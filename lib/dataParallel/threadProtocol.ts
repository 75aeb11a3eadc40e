/**
 * What a rank and its helper thread share: a control array, and the messages between them.
 */
import type {SharedArrayHandle, SharedGroupHandle} from '../collectives/sharedMemory';
import type {CrossedError} from '../workers/protocol';
import type {CommReport} from './commStream';

/**
 * Offsets in the control array, in Int32 elements. The ring of ops follows the counters: each entry
 * is an op and its step.
 */
export const CONTROL = {started: 0, finished: 1, closing: 2, failed: 3, ring: 4};
/** How many ops can be unfinished at once. */
export const RING = 4096;
export const CONTROL_BYTES = 4 * (CONTROL.ring + 2 * RING);

/** Memory of the rank's process. */
interface LocalArrayHandle {
  address: bigint;
  /** Elements. */
  length: number;
}

/**
 * `CommWork` without arrays. Every array is passed as an address: an idle thread must not keep a
 * run's memory alive.
 */
export type WorkHandle =
  | {
      kind: 'reduce';
      flat: SharedArrayHandle;
      buckets: Array<{start: number; end: number}>;
      operation: 'allReduce' | 'reduceScatter';
    }
  | {
      kind: 'gather' | 'scatter';
      buffers: SharedArrayHandle[];
      shards: LocalArrayHandle;
      units: Array<{name: string; length: number; shard: number}>;
    };

/** What a thread gets once, at its start. */
export interface ThreadData {
  control: SharedArrayBuffer;
}

/** What a thread gets for each run. */
export interface ThreadRun {
  group: SharedGroupHandle;
  /** Where the rank's process has mapped the group's memory. */
  groupAddress: bigint;
  rank: number;
  /** The rank in the whole run of each rank of the group, for messages. */
  worldRanks: number[];
  work: WorkHandle;
  /** Whether the thread records a span for each op. */
  traced: boolean;
}

/** What a thread answers at the end of a run. */
export type FromThread =
  | {type: 'report'; report: CommReport}
  | {type: 'failed'; error: CrossedError};
