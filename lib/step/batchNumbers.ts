/**
 * Metrics of a whole batch from sums over its parts. Most are means over samples; precision,
 * recall and r2Score are not, and a metric of a user's own may be a sum over a count.
 */
import * as tf from '@tensorflow/tfjs';
import type {CompiledModel, LossFunction} from '../model/tfjsInternals';
import {countOf, isSumAndCount, resultOf} from './sumAndCount';

/** A number of a batch, computed from sums to which each part of the batch contributes. */
export interface BatchNumber {
  /** How many sums it needs; the same on all ranks. */
  readonly width: number;
  /**
   * The contribution of one part. `share`: its samples divided by those of the whole batch.
   */
  sums(target: tf.Tensor, output: tf.Tensor, share: number): number[];
  finish(sums: readonly number[]): number;
}

const numberOf = (compute: () => tf.Tensor): number => {
  const value = tf.tidy(compute);
  const number = value.dataSync()[0];
  value.dispose();
  return number;
};

/** `a` divided by `b`, or by 1 if `b` is 0. */
const overCount = (sum: number, count: number) => sum / (count === 0 ? 1 : count);

/** The mean over all elements of what `metric` returns. */
export const meanOf = (metric: LossFunction): BatchNumber => ({
  width: 1,
  sums: (target, output, share) => [share * numberOf(() => tf.mean(metric(target, output)))],
  finish: ([mean]) => mean,
});

/**
 * A loss or metric of a user's own: [mean, 0], or [sum, count] if it returns these. Which one is
 * known only when it is called, and an empty rank does not call it.
 */
export const ofUser = (fn: LossFunction): BatchNumber => ({
  width: 2,
  sums: (target, output, share) => {
    return tf.tidy(() => {
      const result = resultOf(fn, target, output);
      if (!isSumAndCount(result)) return [share * tf.mean(result).dataSync()[0], 0];
      return [tf.sum(result.sum).dataSync()[0], countOf(result)];
    });
  },
  finish: ([sum, count]) => overCount(sum, count),
});

const equals = (tensor: tf.Tensor, value: number) => tf.equal(tensor, value);
const countBoth = (a: tf.Tensor, b: tf.Tensor) => numberOf(() => tf.sum(tf.logicalAnd(a, b)));

/** True positives divided by all whose output (precision) or target (recall) is 1. */
const truePositives = (of: 'precision' | 'recall'): BatchNumber => ({
  width: 2,
  sums: (target, output) =>
    tf.tidy(() => [
      countBoth(equals(target, 1), equals(output, 1)),
      of === 'precision'
        ? countBoth(equals(target, 0), equals(output, 1))
        : countBoth(equals(target, 1), equals(output, 0)),
    ]),
  // As in tfjs, 0 where there are none.
  finish: ([hits, misses]) => overCount(hits, hits + misses),
});

/**
 * 1 - residual squares / squares around the mean. A part contributes its squares around its own
 * mean, from which those around the common mean follow without cancellation (Chan et al. 1979,
 * "Updating formulae and a pairwise algorithm for computing sample variances").
 */
const r2Score: BatchNumber = {
  width: 5,
  sums: (target, output) => {
    const count = target.size;
    const mean = numberOf(() => tf.mean(target));
    return [
      numberOf(() => tf.sum(tf.square(tf.sub(target, output)))),
      numberOf(() => tf.sum(tf.square(tf.sub(target, tf.mean(target))))),
      count,
      count * mean,
      count * mean * mean,
    ];
  },
  finish: ([residual, within, count, sum, squares]) => {
    const between = squares - (sum * sum) / count;
    // A difference of this size is rounding: targets that are all equal have no squares.
    const isRounding = between < 1e-12 * squares;
    return 1 - residual / (within + (isRounding ? 0 : between));
  },
};

/** The metrics of tfjs that are not means over samples. */
const NOT_MEANS: Record<string, BatchNumber> = {
  precision: truePositives('precision'),
  recall: truePositives('recall'),
  r2Score,
};

/** tfjs's functions that return one number for a batch and are not means over its samples. */
const NOT_ADDITIVE = ['cosineDistance', 'computeWeightedLoss'];

/** The name of tfjs's own function in `tf.losses` or `tf.metrics`; null for any other function. */
function tfjsName(fn: unknown): string | null {
  for (const group of [tf.metrics, tf.losses] as object[])
    for (const [name, value] of Object.entries(group)) if (value === fn) return name;
  return null;
}

/**
 * Whether tfjs itself says how a loss or metric adds up: a name, or one of its functions that is a
 * mean over samples. Any other function is the user's own.
 */
export function isOfTfjs(fn: unknown): boolean {
  if (typeof fn === 'string') return true;
  const name = tfjsName(fn);
  return name !== null && !NOT_ADDITIVE.includes(name);
}

type Metrics = unknown[] | Record<string, unknown> | string | null | undefined;

/**
 * For each of the model's metrics what `compile` was given for it, with the index of its output; in
 * the order of `metricsTensors`, without the losses of several outputs (as tfjs's collectMetrics).
 */
function metricsAsGiven({metrics, outputNames}: CompiledModel): Array<[unknown, number]> {
  const asList = (given: unknown): unknown[] => (Array.isArray(given) ? given : [given]);
  const given = metrics as Metrics;
  const perOutput = outputNames.map((name) => {
    if (given === null || given === undefined) return [];
    if (Array.isArray(given) || typeof given !== 'object') return asList(given);
    return Object.hasOwn(given, name) ? asList(given[name]) : [];
  });
  return perOutput.flatMap((list, output) =>
    list.map((metric): [unknown, number] => [metric, output]),
  );
}

export interface ModelMetric {
  /** What `compile` was given: a name or a function. */
  given: unknown;
  metric: LossFunction;
  output: number;
}

/** The metrics of a compiled model, without the losses of several outputs. */
export function metricsOf(compiled: CompiledModel): ModelMetric[] {
  const {metricsTensors, outputNames} = compiled;
  const listed = outputNames.length > 1 ? metricsTensors.slice(outputNames.length) : metricsTensors;
  const given = metricsAsGiven(compiled);
  return listed.map(([metric, output], i) => ({given: given[i][0], metric, output}));
}

/** How a metric adds up over the parts of a batch. */
export function batchNumber({given, metric}: Pick<ModelMetric, 'given' | 'metric'>): BatchNumber {
  const name = typeof given === 'string' ? given : tfjsName(given);
  if (name !== null && Object.hasOwn(NOT_MEANS, name)) return NOT_MEANS[name];
  return isOfTfjs(given) ? meanOf(metric) : ofUser(metric);
}
