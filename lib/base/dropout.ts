/**
 * Dropout on a tensor, with the mask of the step that is running.
 */
import * as tf from '@tensorflow/tfjs';
import {dropoutMask} from './dropoutMask';
import type {StepContext} from './stepContext';

/**
 * The place of `shape`'s first element in a whole sample, of which the context may show a run of
 * dim 1.
 */
function firstElement(shape: readonly number[], {positions}: StepContext): number {
  return positions
    ? positions.start * shape.slice(2).reduce((product, length) => product * length, 1)
    : 0;
}

/**
 * `x` times its mask, of `x`'s shape [samples, ...]; the gradient is multiplied by the same mask,
 * and only the mask is kept for it. With a context the mask is the step's own (`dropoutMask`);
 * without one (tfjs's own `fit`) it is drawn anew by tfjs.
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
      // After the product: where a memory limit refuses that, nothing is kept.
      save([mask]);
      return {value, gradFunc: (dy, saved) => tf.mul(dy, saved[0])};
    });
    return masked(x);
  });
}
