/**
 * Runs one rank of an `spmd` program.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, shown} from '../base/errors';
import {importModule} from '../base/modules';
import {createCommunicator} from '../collectives/communicator';
import {createInProcessGroup} from '../collectives/inProcess';
import {joinSharedGroup} from '../collectives/sharedMemory';
import {SpanRecorder} from '../trace/spans';
import {uncloneable} from '../job/portable';
import type {ProgramHandle, SpmdDone, SpmdJob, SpmdProgram} from '../job/spmdProtocol';

async function load(handle: ProgramHandle): Promise<SpmdProgram> {
  // The text of a function has no imports, so it gets `require`.
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
export async function spmdJob(message: unknown): Promise<SpmdDone> {
  const {rank, size, group, program, device, args, origin} = message as SpmdJob;
  const tensorsBefore = tf.memory().numTensors;
  const comm = createCommunicator(
    group ? joinSharedGroup(group, rank) : createInProcessGroup(1)[0],
  );
  try {
    const run = await load(program);
    const trace = new SpanRecorder(rank);
    trace.restart(origin);
    const value = await run({rank, size, comm, trace, tf, device, args});
    const obstacle = uncloneable(value);
    if (obstacle)
      throw new ManyHandsError(
        'BAD_OPTION',
        `program returned ${obstacle}, which cannot cross to the caller: return numbers, strings, typed arrays, or lists and objects of them (await tensor.data()).`,
      );
    return {value, leftTensors: Math.max(0, tf.memory().numTensors - tensorsBefore)};
  } finally {
    comm.close();
  }
}
