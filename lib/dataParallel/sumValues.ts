/**
 * What ranks add up outside of buckets, with the same bits everywhere: loss and
 * metrics, and gradients of which several have a summand.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {WeightGradient} from '../step/hooks';
import type {Values} from '../step/objective';
import type {SpanRecorder} from '../trace/spans';

/**
 * The sum over ranks of each rank's `values`, in double precision and rank order, and the ranks
 * whose own first value, the loss, is no number.
 */
export async function sumOverRanks(
  comm: Communicator,
  values: Values,
): Promise<{sums: Values; brokenRanks: number[]}> {
  const {rank, size} = comm;
  const all = new Float64Array(values.length * size);
  all.set(values, rank * values.length);
  await comm.allGather(new Int32Array(all.buffer), {label: 'metrics'});
  const ranks = Array.from({length: size}, (_, r) => r);
  return {
    sums: values.map((_, i) => ranks.reduce((sum, r) => sum + all[r * values.length + i], 0)),
    brokenRanks: ranks.filter((r) => !Number.isFinite(all[r * values.length])),
  };
}

/** The smallest number that a rank offers; null where none does. All ranks must ask. */
export async function firstOf(
  comm: Communicator,
  own: number | null,
  label: string,
): Promise<number | null> {
  const NONE = 2 ** 30;
  const found = new Int32Array([-(own ?? NONE)]);
  await comm.allReduce(found, {op: 'max', label});
  return found[0] === -NONE ? null : -found[0];
}

/** Each rank of `comm` has a summand of the weight's gradient, and gets the sum. */
export async function sumGradient(
  comm: Communicator,
  recorder: SpanRecorder | null,
  entry: WeightGradient,
  label: string,
): Promise<void> {
  const {gradient, variable} = entry;
  const values = gradient
    ? (gradient.dataSync().slice() as Float32Array)
    : new Float32Array(variable.size);
  recorder?.begin('communication', label);
  await comm.allReduce(values, {label});
  recorder?.end();
  gradient?.dispose();
  entry.gradient = tf.tensor(values, variable.shape, 'float32');
  tagMemory(entry.gradient, 'gradients');
}
