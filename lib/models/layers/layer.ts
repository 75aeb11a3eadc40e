/**
 * Helpers of the library's layer classes.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../../base/errors';

/** The arguments of every layer in tfjs: name, inputShape, trainable, weights and so on. */
export type LayerArgs = NonNullable<ConstructorParameters<typeof tf.layers.Layer>[0]>;

/** The only input of a layer: tfjs passes it as a tensor or as a list with one tensor. */
export function onlyTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}

/**
 * The last dim of a shape, which the weights of a layer depend on. Throws BAD_MODEL if it is
 * unknown.
 */
export function lastDim(shape: tf.Shape | tf.Shape[]): number {
  const last = (shape as tf.Shape)[shape.length - 1];
  if (typeof last !== 'number')
    throw new ManyHandsError(
      'BAD_MODEL',
      `the last dim of the input's shape [${shape}] must be known: the layer's weights depend on it.`,
    );
  return last;
}
