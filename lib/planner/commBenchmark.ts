/**
 * The program that `calibrate` runs on all ranks: it times each operation as a strategy uses it,
 * including the copies out of and into the engine.
 */
import {median} from '../base/statistics';
import type {Communicator} from '../collectives/types';
import type {SpmdContext} from '../job/spmdProtocol';

/**
 * An operation between ranks, as the planner counts it. 'dispatch': handing an operation to the
 * communication thread and hearing that it is done. 'barrier': the waiting of ranks for each other at
 * the end of a step.
 */
export type LinkOperation = TimedOperation | 'dispatch' | 'barrier';
/**
 * The operations that are timed on their own: the sum in a sharded layer with the engine's copies,
 * three collectives over shared arrays, a pipeline's message, and reading a tensor.
 */
export type TimedOperation =
  | 'sumTensor'
  | 'allReduce'
  | 'reduceScatter'
  | 'allGather'
  | 'send'
  | 'read';
export const TIMED_OPERATIONS: readonly TimedOperation[] = [
  'sumTensor',
  'allReduce',
  'reduceScatter',
  'allGather',
  'send',
  'read',
];

export interface LinkArgs {
  /** The lengths of the arrays, in elements. */
  lengths: number[];
  /** How often each operation is timed. */
  rounds: number;
}

/** The median time of one operation on one array. */
export interface LinkTime {
  operation: TimedOperation;
  /** Bytes of the whole array. */
  bytes: number;
  seconds: number;
}

type Tf = SpmdContext<LinkArgs>['tf'];

/** A pipeline's message: out of the engine, to the other rank of a pair, and into its engine. */
async function sendTensor(
  comm: Communicator,
  tf: Tf,
  tensor: InstanceType<Tf['Tensor']>,
): Promise<void> {
  const {rank, size} = comm;
  const peer = rank ^ 1;
  if (peer >= size) return;
  if (rank % 2 === 0) {
    await comm.send(tensor.dataSync() as Float32Array, {to: peer});
    return;
  }
  const values = new Float32Array(tensor.size);
  await comm.recv(values, {from: peer});
  tf.tensor(values).dispose();
}

/** Times every operation on every length; the planner uses the times of rank 0. */
export default async function timeLinks({
  comm,
  tf,
  args: {lengths, rounds},
}: SpmdContext<LinkArgs>): Promise<LinkTime[]> {
  const times: LinkTime[] = [];
  for (const length of lengths) {
    const shared = await comm.allocate(length, 'float32');
    const ones = tf.ones([length]);
    // In a step a tensor comes fresh out of an operation.
    let tensor = tf.clone(ones);
    const operations: Record<TimedOperation, () => Promise<void>> = {
      sumTensor: async () => {
        const values = tensor.dataSync().slice() as Float32Array;
        await comm.allReduce(values);
        tf.tensor(values).dispose();
      },
      allReduce: () => comm.allReduce(shared),
      reduceScatter: async () => void (await comm.reduceScatter(shared)),
      allGather: () => comm.allGather(shared),
      send: () => sendTensor(comm, tf, tensor),
      read: async () => shared.set(tensor.dataSync() as Float32Array),
    };
    for (const [operation, run] of Object.entries(operations) as Array<
      [TimedOperation, () => Promise<void>]
    >) {
      const seconds: number[] = [];
      for (let round = -2; round < rounds; round++) {
        tensor.dispose();
        tensor = tf.add(ones, round);
        await comm.barrier();
        const start = performance.now();
        await run();
        // A send ends when the message has arrived.
        if (operation === 'send') await comm.barrier();
        if (round >= 0) seconds.push((performance.now() - start) / 1000);
      }
      times.push({operation, bytes: 4 * length, seconds: median(seconds)});
    }
    tf.dispose([tensor, ones]);
  }
  return times;
}
