/**
 * Sums over ranks outside the buckets, with the same bits on every rank: loss and metrics, and
 * gradients to which several ranks contribute.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {WeightGradient} from '../step/hooks';
import type {Sums} from '../step/objective';
import type {SpanRecorder} from '../trace/spans';

/**
 * The sum over ranks of each rank's `values`, in double precision and rank order, and the ranks
 * whose local loss (the first value) is NaN or infinite.
 */
export async function sumOverRanks(
  comm: Communicator,
  values: Sums,
): Promise<{sums: Sums; nonFiniteRanks: number[]}> {
  const {rank, size} = comm;
  const valuesByRank = new Float64Array(values.length * size);
  valuesByRank.set(values, rank * values.length);
  await comm.allGather(new Int32Array(valuesByRank.buffer), {label: 'metrics'});
  const ranks = Array.from({length: size}, (_, r) => r);
  return {
    sums: values.map((_, i) =>
      ranks.reduce((sum, r) => sum + valuesByRank[r * values.length + i], 0),
    ),
    nonFiniteRanks: ranks.filter((r) => !Number.isFinite(valuesByRank[r * values.length])),
  };
}

/** The smallest `value` of all ranks; null if it is null on every rank. All ranks must call it. */
export async function firstOf(
  comm: Communicator,
  value: number | null,
  label: string,
): Promise<number | null> {
  const NONE = 2 ** 30;
  const negated = new Int32Array([-(value ?? NONE)]);
  await comm.allReduce(negated, {op: 'max', label});
  return negated[0] === -NONE ? null : -negated[0];
}

/** Replaces each rank's contribution to a weight's gradient by the sum over the ranks of `comm`. */
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
