/**
 * What the caller of an `spmd` program and its ranks say to each other.
 */
import type * as tf from '@tensorflow/tfjs';
import type {DeviceUse} from '../base/events';
import type {SharedGroupHandle} from '../collectives/sharedMemory';
import type {Communicator} from '../collectives/types';
import type {RankTrace} from '../trace/spans';

/** What a program is given on each rank. */
export interface SpmdContext<A = unknown> {
  rank: number;
  /** How many ranks there are. */
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
  /** The caller's `args`, copied. */
  args: A;
}

/** The program that every rank runs; what it returns must be fit to be copied to the caller. */
export type SpmdProgram<A = unknown, R = unknown> = (context: SpmdContext<A>) => R | Promise<R>;

/** A function's own text, or a module whose default export it is. */
export type ProgramHandle = {source: string} | {module: string};

export interface SpmdJob {
  rank: number;
  size: number;
  /** Null for a single rank. */
  group: SharedGroupHandle | null;
  program: ProgramHandle;
  device: DeviceUse;
  args: unknown;
  /** Of the trace: milliseconds of the machine's clock. */
  origin: number;
}

export interface SpmdDone {
  value: unknown;
  /** Tensors that the program left alive: such a worker is not used again. */
  leftTensors: number;
}
