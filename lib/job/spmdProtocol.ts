/**
 * The messages between the caller of an `spmd` program and its ranks.
 */
import type * as tf from '@tensorflow/tfjs';
import type {DeviceUse} from '../base/events';
import type {SharedGroupHandle} from '../collectives/sharedMemory';
import type {Communicator} from '../collectives/types';
import type {RankTrace} from '../trace/spans';

/** The argument of a program on each rank. */
export interface SpmdContext<A = unknown> {
  rank: number;
  /** The number of ranks. */
  size: number;
  comm: Communicator;
  /**
   * Records what this rank does and when: `trace.begin('forward', 'micro-batch 1')`, `trace.end()`;
   * return `trace.spans` to see them.
   */
  trace: RankTrace;
  /** tfjs, on this rank's engine. */
  tf: typeof tf;
  device: DeviceUse;
  /** A copy of the caller's `args`. */
  args: A;
}

/** The program that every rank runs; its return value is copied to the caller. */
export type SpmdProgram<A = unknown, R = unknown> = (context: SpmdContext<A>) => R | Promise<R>;

/** The text of a program's function, or the URL of a module whose default export it is. */
export type ProgramHandle = {source: string} | {module: string};

export interface SpmdJob {
  rank: number;
  size: number;
  /** Null for a single rank. */
  group: SharedGroupHandle | null;
  program: ProgramHandle;
  device: DeviceUse;
  args: unknown;
  /** The start of the trace, in milliseconds of the machine's clock. */
  origin: number;
}

export interface SpmdDone {
  value: unknown;
  /** How many tensors the program did not dispose of; above 0, the worker is not used again. */
  leftTensors: number;
}
