/**
 * Makes the tensors of a micro-batch from the indices of its samples.
 */
import * as tf from '@tensorflow/tfjs';
import type {ShapedArray} from '../base/arrays';
import type {MicroBatch} from '../step/strategy';
import type {CheckedData} from './checkData';
import type {SampleWeights} from './sampleWeights';

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
      return outputWeights && gather(outputWeights, indices, false);
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
