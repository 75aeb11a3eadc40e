/**
 * Dropout on a tensor, with the mask of the step that is running.
 */
import * as tf from '@tensorflow/tfjs';
import {nextDraw, type DrawContext} from './draws';
import {dropoutMask} from './dropoutMask';
import {ManyHandsError, shown} from './errors';
import type {StepContext} from './stepContext';

/**
 * Multiplies `x` and its gradient by `mask`, whose shape is that of `x` or broadcasts to it. Only
 * the mask is kept for the gradient.
 */
export function masked(x: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  return tf.customGrad((...inputs) => {
    const [input] = inputs as tf.Tensor[];
    const save = inputs[inputs.length - 1] as tf.GradSaveFunc;
    const value = tf.mul(input, mask);
    // The mask is saved after the product: if a memory limit refuses the product, nothing is kept.
    save([mask]);
    return {value, gradFunc: (dy, saved) => tf.mul(dy, saved[0])};
  })(x);
}

/** The next mask of a call, of this shape. `shared`: all samples have the same mask. */
export function nextMask(
  context: DrawContext,
  shape: number[],
  rate: number,
  shared = false,
): tf.Tensor {
  return tf.tensor(dropoutMask(nextDraw(context, shape, {shared}), rate), shape);
}

/**
 * Drops a share `rate`, in [0, 1), of the elements of `x` [samples, ...]. In a layer's call the
 * mask is the next of the call's draws; without one (in tfjs's own `fit`) tfjs draws it. Throws
 * BAD_OPTION for another rate.
 */
export function dropoutWithContext(
  x: tf.Tensor,
  rate: number,
  context: StepContext | null,
): tf.Tensor {
  if (!(rate >= 0 && rate < 1)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `The dropout rate of layer '${context?.layer}' is the share of elements that is dropped, at least 0 and below 1, and this is ${shown(rate)}.`,
    );
  }
  if (rate === 0) return x.clone();
  return tf.tidy(() =>
    masked(
      x,
      context?.draws
        ? nextMask(context as DrawContext, x.shape, rate)
        : tf.dropout(tf.onesLike(x), rate),
    ),
  );
}
