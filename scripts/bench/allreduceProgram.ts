/**
 * One rank of `bench -- allreduce`: times each size and algorithm, and a concurrent
 * memcpy of the same bytes between its calls.
 */
import type {Algorithm, Communicator} from '../../lib/collectives/types';
import type {SpmdContext} from '../../lib/job/spmdProtocol';

export interface Sweep {
  bytes: number[];
  algorithms: Algorithm[];
}

/** Seconds of each call on this rank. */
export interface Timed {
  algorithm: Algorithm | 'memcpy';
  bytes: number;
  seconds: number[];
}

const MANY = 400;

/** Enough calls for a median, few enough for a sweep of seconds. */
function callsOf(bytes: number): number {
  return Math.max(7, Math.min(500, Math.round(2 ** 27 / bytes)));
}

const seconds = (since: bigint) => Number(process.hrtime.bigint() - since) / 1e9;

/** All-reduces numbers that differ by rank and place, and compares the sums. */
async function verify(
  comm: Communicator,
  array: Float32Array,
  algorithm: Algorithm,
): Promise<void> {
  for (let i = 0; i < array.length; i++) array[i] = (i % 1021) + comm.rank;
  await comm.allReduce(array, {algorithm});
  const ranks = (comm.size * (comm.size - 1)) / 2;
  for (let i = 0; i < array.length; i++) {
    const expected = comm.size * (i % 1021) + ranks;
    if (array[i] !== expected)
      throw new Error(
        `allReduce by ${algorithm} of ${array.length} floats: element ${i} is ${array[i]} on rank ${comm.rank}, not ${expected}.`,
      );
  }
  array.fill(0);
}

async function measure(
  comm: Communicator,
  array: Float32Array,
  algorithm: Algorithm,
): Promise<Timed[]> {
  const calls = callsOf(array.byteLength);
  const reduced: number[] = [];
  const copied: number[] = [];
  const [from, to] = [new Uint8Array(array.byteLength), new Uint8Array(array.byteLength)];
  from.fill(1);
  await verify(comm, array, algorithm);
  // V8 compiles what is called often: short calls are warmed up until it has.
  const warmUp = calls >= MANY ? MANY : 2;
  for (let i = -warmUp; i < calls; i++) {
    if (algorithm === 'shared') {
      await comm.barrier();
      const start = process.hrtime.bigint();
      to.set(from);
      if (i >= 0) copied.push(seconds(start));
      await comm.barrier();
    }
    const start = process.hrtime.bigint();
    await comm.allReduce(array, {algorithm});
    if (i >= 0) reduced.push(seconds(start));
  }
  await verify(comm, array, algorithm);
  const timed: Timed[] = [{algorithm, bytes: array.byteLength, seconds: reduced}];
  if (copied.length > 0)
    timed.push({algorithm: 'memcpy', bytes: array.byteLength, seconds: copied});
  return timed;
}

async function allreduceProgram({
  comm,
  args: {bytes, algorithms},
}: SpmdContext<Sweep>): Promise<Timed[]> {
  const whole = await comm.allocate(Math.max(...bytes) / 4, 'float32');
  const timed: Timed[] = [];
  for (const size of bytes)
    for (const algorithm of algorithms)
      timed.push(...(await measure(comm, whole.subarray(0, size / 4), algorithm)));
  return timed;
}

export default allreduceProgram;
