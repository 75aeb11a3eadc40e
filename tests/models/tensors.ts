import type {ShapedArray} from '#lib/base/arrays.js';
import {tf} from '#lib/devices/register.js';

/** A data set's array as the float32 tensor that tfjs's own `fit` takes. */
export function tensorOf(array: ShapedArray): import('@tensorflow/tfjs').Tensor {
  return tf.tidy(() =>
    tf.mul(tf.tensor(Float32Array.from(array.values), array.shape), array.scale ?? 1),
  );
}

/** All bits of a model's weights, by layer and weight. */
export function weightBits(model: import('@tensorflow/tfjs').LayersModel): Record<string, string> {
  const bits: Record<string, string> = {};
  for (const layer of model.layers) {
    layer.getWeights().forEach((weight, i) => {
      const values = weight.dataSync() as Float32Array;
      bits[`${layer.name} ${i}`] = Buffer.from(
        values.buffer,
        values.byteOffset,
        values.byteLength,
      ).toString('base64');
    });
  }
  return bits;
}
