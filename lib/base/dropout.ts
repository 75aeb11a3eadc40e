/**
 * Dropout on a tensor, with the mask of the step that is running.
 */
import * as tf from '@tensorflow/tfjs';
import {dropoutMask} from './dropoutMask';
import type {StepContext} from './stepContext';

/**
 * The position of the first element of `shape` in a full sample; the context may show only a range
 * of dim 1.
 */
function firstElement(shape: readonly number[], {positions}: StepContext): number {
  return positions
    ? positions.start * shape.slice(2).reduce((product, length) => product * length, 1)
    : 0;
}

/**
 * Multiplies `x` and its gradient by a mask of shape [samples, ...]; only the mask is kept for the
 * gradient. With a context the mask is that of the step (`dropoutMask`); without one (in tfjs's own
 * `fit`) tfjs draws a random mask.
 */
export function dropoutWithContext(
  x: tf.Tensor,
  rate: number,
  context: StepContext | null,
): tf.Tensor {
  if (rate === 0) return x.clone();
  return tf.tidy(() => {
    const mask = context
      ? tf.tensor(
          dropoutMask({
            ...context,
            firstElement: firstElement(x.shape, context),
            shape: x.shape,
            rate,
          }),
          x.shape,
        )
      : tf.dropout(tf.onesLike(x), rate);
    const masked = tf.customGrad((...inputs) => {
      const [input] = inputs as tf.Tensor[];
      const save = inputs[inputs.length - 1] as tf.GradSaveFunc;
      const value = tf.mul(input, mask);
      // The mask is saved after the product: if a memory limit refuses the product, nothing is
      // kept.
      save([mask]);
      return {value, gradFunc: (dy, saved) => tf.mul(dy, saved[0])};
    });
    return masked(x);
  });
}
