/**
 * What our layer classes share.
 */
import type * as tf from '@tensorflow/tfjs';

/** tfjs's own arguments of every layer: name, inputShape, trainable, weights ... */
export type LayerArgs = NonNullable<ConstructorParameters<typeof tf.layers.Layer>[0]>;

/** A layer's one input: tfjs hands it over alone or as a list of one. */
export function onlyTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}

/**
 * A shape's last dim, which a layer's weights depend on; it must be known when the layer is built.
 */
export function lastDim(shape: tf.Shape | tf.Shape[]): number {
  const last = (shape as tf.Shape)[shape.length - 1];
  if (typeof last !== 'number')
    throw new TypeError(`the last dim of the input's shape [${shape}] must be known`);
  return last;
}
