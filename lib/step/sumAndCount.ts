/**
 * Losses and metrics that are not means over samples: functions that return a sum and a count,
 * which add up over the parts of a batch.
 */
import * as tf from '@tensorflow/tfjs';
import type {LossFunction} from '../model/tfjsInternals';

/**
 * A quotient whose two halves add up over the parts of a batch. Only the sums of their elements
 * count.
 */
export interface SumAndCount {
  sum: tf.Tensor;
  /** For a loss it must depend on the targets alone, because it is summed before the first pass. */
  count: tf.Tensor | number;
}

/** Takes the targets and the outputs of some samples. */
export type SumAndCountFunction = (target: tf.Tensor, output: tf.Tensor) => SumAndCount;

/** What a loss or metric of a user's own may return. */
export type LossResult = tf.Tensor | SumAndCount;

/** Marks a function that `sumOverCount` made; the same in a second copy of this module. */
const PARTS = Symbol.for('many-hands.sumAndCount');

export function isSumAndCount(result: LossResult): result is SumAndCount {
  if (result instanceof tf.Tensor || typeof result !== 'object' || result === null) return false;
  return 'sum' in result && 'count' in result;
}

export function countOf({count}: SumAndCount): number {
  if (typeof count === 'number') return count;
  return tf.tidy(() => tf.sum(tf.cast(count, 'float32')).dataSync()[0]);
}

/** The sum divided by the count, or by 1 if the count is 0. The count has no gradient. */
export const quotientOf = (result: SumAndCount): tf.Tensor =>
  tf.div(tf.sum(result.sum), countOf(result) || 1);

/**
 * Returns a loss or metric for `compile` that is a sum divided by a count over the whole batch, for
 * example the mean over those targets that are not padding. `model.fit` sees the quotient; `train`
 * and `trainParallel` add up `sum` and `count` over all micro-batches and ranks before they divide,
 * so the result is the same however the batch is divided. `parts` takes the targets and the outputs
 * of some samples, with dim 0 counting them, and returns tensors (`count` may be a number). The
 * count has no gradient, and that of a loss must depend on the targets alone. With a count of 0 the
 * sum is divided by 1.
 * Give `parts` a name: a metric is listed under it in the history.
 */
export function sumOverCount(
  parts: SumAndCountFunction,
): (target: tf.Tensor, output: tf.Tensor) => tf.Tensor {
  const quotient = (target: tf.Tensor, output: tf.Tensor) =>
    tf.tidy(() => quotientOf(parts(target, output)));
  return Object.defineProperties(quotient, {
    [PARTS]: {value: parts},
    name: {value: parts.name},
    // A function that was loaded twice is recognised by its text.
    toString: {value: () => String(parts)},
  });
}

/** Whether `sumOverCount` made the function. */
export const isSumOverCount = (fn: unknown): boolean =>
  typeof fn === 'function' && Object.hasOwn(fn, PARTS);

/** Calls a loss or metric; those made by `sumOverCount` return the sum and the count. */
export function resultOf(fn: LossFunction, target: tf.Tensor, output: tf.Tensor): LossResult {
  const parts = (fn as LossFunction & {[PARTS]?: SumAndCountFunction})[PARTS] ?? fn;
  return parts(target, output);
}
