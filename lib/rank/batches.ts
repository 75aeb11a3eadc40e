/**
 * Makes the tensors of a micro-batch from the indices of its samples.
 */
import * as tf from '@tensorflow/tfjs';
import type {ShapedArray} from '../base/arrays';
import {ManyHandsError} from '../base/errors';
import type {MicroBatch} from '../step/strategy';
import type {CheckedData} from '../job/checkData';

/**
 * For each output of the model, the weight of every sample in the loss; null if all samples count
 * the same.
 */
export type SampleWeights = Array<Float32Array | null>;

function gather(array: ShapedArray, indices: Int32Array, integers: boolean): tf.Tensor {
  const {values, scale = 1} = array;
  const row = values.length / array.shape[0];
  const shape = [indices.length, ...array.shape.slice(1)];
  const asInt32 = integers && values instanceof Int32Array && scale === 1;
  const out = asInt32
    ? new Int32Array(indices.length * row)
    : new Float32Array(indices.length * row);
  // `set` converts bytes to floats ten times as fast as a loop does.
  for (let i = 0; i < indices.length; i++)
    out.set(values.subarray(indices[i] * row, (indices[i] + 1) * row), i * row);
  // The values are scaled here because the engine would hold the batch twice. The product of two
  // float32 values is exact before it is rounded, so the bits are the same as the engine's.
  const factor = Math.fround(scale);
  if (factor !== 1) for (let i = 0; i < out.length; i++) out[i] *= factor;
  return tf.tensor(out, shape, asInt32 ? 'int32' : 'float32');
}

/** Whether a rank needs the inputs and the targets of a micro-batch. */
export interface BatchNeed {
  xs: boolean;
  ys: boolean;
}

/**
 * Returns the tensors of the samples with these indices; the caller disposes of them. If one cannot
 * be made, none is left behind.
 */
export function makeBatch(
  data: CheckedData,
  indices: Int32Array,
  weights: SampleWeights,
  {xs, ys}: BatchNeed = {xs: true, ys: true},
): MicroBatch {
  const batch: MicroBatch = {xs: [], ys: [], weights: [], samples: indices.length};
  tf.tidy(() => {
    if (xs) batch.xs = data.xs.map((array) => gather(array, indices, true));
    if (!ys) return batch.xs;
    // tfjs's losses need class numbers as floats.
    batch.ys = data.ys.map((array) => gather(array, indices, false));
    batch.weights = data.ys.map((_, output) => {
      const outputWeights = weights[output];
      return outputWeights
        ? tf.tensor1d(Float32Array.from(indices, (index) => outputWeights[index]))
        : null;
    });
    return [...batch.xs, ...batch.ys, ...batch.weights.filter((weight) => weight !== null)];
  });
  return batch;
}

/**
 * Splits a batch into micro-batches: part i holds samples floor(i n / m) to floor((i + 1) n / m) -
 * 1. Empty parts are left out.
 */
export function splitBatch(indices: Int32Array, microBatches: number): Int32Array[] {
  const n = indices.length;
  const parts = Array.from({length: microBatches}, (_, i) =>
    indices.subarray(Math.floor((i * n) / microBatches), Math.floor(((i + 1) * n) / microBatches)),
  );
  return parts.filter((part) => part.length > 0);
}

type ClassWeight = Record<number, number>;

/** The class of each sample: the number in its row, or the index of the largest element. */
function classesOf(array: ShapedArray): Float32Array {
  const row = array.values.length / array.shape[0];
  if (array.shape.length !== 2)
    throw new ManyHandsError(
      'BAD_OPTION',
      `classWeight needs targets of shape [n, 1] or [n, classes]; these have shape [${array.shape}].`,
    );
  const classes = new Float32Array(array.shape[0]);
  for (let i = 0; i < classes.length; i++) {
    if (row === 1) {
      classes[i] = array.values[i];
      continue;
    }
    let best = 0;
    for (let j = 1; j < row; j++)
      if (array.values[i * row + j] > array.values[i * row + best]) best = j;
    classes[i] = best;
  }
  return classes;
}

function perOutput(classWeight: unknown, outputNames: string[]): Array<ClassWeight | null> {
  if (classWeight === null || classWeight === undefined) return outputNames.map(() => null);
  if (Array.isArray(classWeight)) {
    if (classWeight.length !== outputNames.length)
      throw new ManyHandsError(
        'BAD_OPTION',
        `classWeight lists ${classWeight.length} outputs; the model has ${outputNames.length}.`,
      );
    return classWeight as ClassWeight[];
  }
  const byName = classWeight as Record<string, unknown>;
  if (Object.values(byName).some((value) => typeof value === 'object'))
    return outputNames.map((name) => (byName[name] as ClassWeight) ?? null);
  if (outputNames.length > 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `the model has ${outputNames.length} outputs (${outputNames.join(', ')}): give classWeight as a list, or as an object with their names.`,
    );
  return [byName as ClassWeight];
}

/**
 * Returns `classWeight` times `sampleWeight` for each output and sample. Throws BAD_OPTION for a
 * class without a weight and for a list of the wrong length.
 */
export function sampleWeights(
  data: CheckedData,
  classWeight: unknown,
  sampleWeight: Float32Array | null,
  outputNames: string[],
): SampleWeights {
  if (sampleWeight && sampleWeight.length !== data.samples) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `sampleWeight has ${sampleWeight.length} numbers; the data has ${data.samples} samples.`,
    );
  }
  return perOutput(classWeight, outputNames).map((weights, output) => {
    if (!weights) return sampleWeight;
    return classesOf(data.ys[output]).map((name, i) => {
      const weight = weights[name];
      if (weight === undefined)
        throw new ManyHandsError(
          'BAD_OPTION',
          `classWeight has no weight for class ${name}, which is in the data; it has ${Object.keys(weights).join(', ')}.`,
        );
      return weight * (sampleWeight ? sampleWeight[i] : 1);
    });
  });
}
