/**
 * What the planner times between ranks: each operation as a strategy makes it, with
 * the engine's copies before and after.
 */
import type {Communicator} from '../collectives/types';
import type {SpmdContext} from '../job/spmdProtocol';

/**
 * An operation between ranks, as the planner counts it; 'dispatch': what a helper thread takes to be
 * told of one and to say that it is done; 'barrier': what a step takes because ranks wait for each
 * other at its end.
 */
export type LinkOperation = TimedOperation | 'dispatch' | 'barrier';
/**
 * Those that are timed by themselves: a layer's sum with the engine's copies, three collectives
 * over shared arrays, a pipeline's message, and reading a tensor.
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
  /** Elements of each array that is timed. */
  lengths: number[];
  rounds: number;
}

/** Seconds of one operation over one array, the median over the rounds. */
export interface LinkTime {
  operation: TimedOperation;
  /** Bytes of the whole array. */
  bytes: number;
  seconds: number;
}

type Tf = SpmdContext<LinkArgs>['tf'];

const middle = (values: number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The message of a pipeline: out of the engine, to the other rank, and into its engine. */
async function sendOne(
  comm: Communicator,
  tf: Tf,
  tensor: InstanceType<Tf['Tensor']>,
): Promise<void> {
  const {rank, size} = comm;
  const pair = rank ^ 1;
  if (pair >= size) return;
  if (rank % 2 === 0) {
    await comm.send(tensor.dataSync() as Float32Array, {to: pair});
    return;
  }
  const values = new Float32Array(tensor.size);
  await comm.recv(values, {from: pair});
  tf.tensor(values).dispose();
}

/** Times every operation over every length; rank 0's times count. */
export default async function timeLinks({
  comm,
  tf,
  args: {lengths, rounds},
}: SpmdContext<LinkArgs>): Promise<LinkTime[]> {
  const found: LinkTime[] = [];
  for (const length of lengths) {
    const shared = await comm.allocate(length, 'float32');
    const ones = tf.ones([length]);
    // As a step finds them: fresh out of an operation.
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
      send: () => sendOne(comm, tf, tensor),
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
        // A send is over when it has come.
        if (operation === 'send') await comm.barrier();
        if (round >= 0) seconds.push((performance.now() - start) / 1000);
      }
      found.push({operation, bytes: 4 * length, seconds: middle(seconds)});
    }
    tf.dispose([tensor, ones]);
  }
  return found;
}
