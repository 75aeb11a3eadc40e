/**
 * Worker side. One rank of an `spmd` program.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, shown} from '../base/errors';
import type {DeviceUse} from '../base/events';
import {importModule} from '../base/modules';
import {createCommunicator} from '../collectives/communicator';
import {createInProcessGroup} from '../collectives/inProcess';
import {joinSharedGroup, type SharedGroupHandle} from '../collectives/sharedMemory';
import type {Communicator} from '../collectives/types';
import {SpanRecorder, type RankTrace} from '../trace/spans';
import {uncloneable} from '../run/cloneable';

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

async function load(handle: ProgramHandle): Promise<SpmdProgram> {
  // With `require`, since a function's own text has no imports.
  if ('source' in handle)
    return new Function('require', `return (${handle.source});`)(require) as SpmdProgram;
  const {default: program} = await importModule(handle.module);
  if (typeof program !== 'function')
    throw new ManyHandsError(
      'BAD_OPTION',
      `program: the default export of ${handle.module} must be a function; it is ${shown(program)}.`,
    );
  return program as SpmdProgram;
}

/** Serves one `SpmdJob`. */
export async function spmdJob(given: unknown): Promise<SpmdDone> {
  const {rank, size, group, program, device, args, origin} = given as SpmdJob;
  const before = tf.memory().numTensors;
  const comm = createCommunicator(
    group ? joinSharedGroup(group, rank) : createInProcessGroup(1)[0],
  );
  try {
    const run = await load(program);
    const trace = new SpanRecorder(rank);
    trace.restart(origin);
    const value = await run({rank, size, comm, trace, tf, device, args});
    const why = uncloneable(value);
    if (why)
      throw new ManyHandsError(
        'BAD_OPTION',
        `program returned ${why}, which cannot cross to the caller: return numbers, strings, typed arrays, or lists and objects of them (await tensor.data()).`,
      );
    return {value, leftTensors: Math.max(0, tf.memory().numTensors - before)};
  } finally {
    comm.close();
  }
}
