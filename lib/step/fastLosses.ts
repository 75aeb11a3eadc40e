/**
 * Losses that tfjs composes out of many small operations, forward and backward, in a
 * few: on a small model they were a tenth of the step, and in a pipeline they make its last stage
 * late. They equal tfjs's own up to rounding.
 */
import * as tf from '@tensorflow/tfjs';
import type {LossFunction} from '../model/tfjsInternals';

/**
 * 'sparseCategoricalCrossentropy' (tfjs-layers 4.22, losses.ts): `output` [..., classes] is cut to
 * [e, 1 - e] and divided by its sum s; with p the share of the class that `target` names, the loss
 * of a prediction is -log p, p cut likewise. Its gradient for output j is (p - [j is the class]) /
 * (p s), zero where something was cut. Returns [...], one number a prediction.
 */
export function sparseCategoricalCrossentropy(target: tf.Tensor, output: tf.Tensor): tf.Tensor {
  const classes = output.shape[output.rank - 1];
  const rows = output.size / classes;
  const epsilon = tf.backend().epsilon();
  const cut = (x: tf.Tensor) => tf.clipByValue(x, epsilon, 1 - epsilon);
  const named = tf.oneHot(tf.cast(tf.reshape(target, [rows]), 'int32'), classes, 1, 0, 'float32');
  const loss = tf.customGrad((...inputs) => {
    const [raw] = inputs as tf.Tensor[];
    const save = inputs[inputs.length - 1] as tf.GradSaveFunc;
    const inside = cut(raw);
    const sum = tf.sum(inside, 1, true);
    const share = tf.div(tf.sum(tf.mul(inside, named), 1, true), sum);
    const value = tf.neg(tf.log(cut(share)));
    save([raw, named, share, sum]);
    return {
      value: tf.reshape(value, [rows]),
      gradFunc: (dy, [saved, one, p, s]) => {
        const whole = tf.cast(tf.equal(p, cut(p)), 'float32');
        const scale = tf.div(tf.mul(tf.reshape(dy, [rows, 1]), whole), tf.mul(cut(p), s));
        const uncut = tf.cast(tf.equal(saved, cut(saved)), 'float32');
        return tf.mul(tf.mul(tf.sub(p, one), scale), uncut);
      },
    };
  });
  return tf.reshape(loss(tf.reshape(output, [rows, classes])), output.shape.slice(0, -1));
}

/**
 * 'meanSquaredError' (tfjs-layers 4.22, losses.ts): the mean over the last dim, n long, of d^2 with
 * d = output - target; its gradient for the output is 2 d / n. Returns [...], one number a row.
 */
export function meanSquaredError(target: tf.Tensor, output: tf.Tensor): tf.Tensor {
  const n = output.shape[output.rank - 1];
  return tf.customGrad((...inputs) => {
    const [raw] = inputs as tf.Tensor[];
    const save = inputs[inputs.length - 1] as tf.GradSaveFunc;
    const apart = tf.sub(raw, target);
    save([apart]);
    return {
      value: tf.mean(tf.mul(apart, apart), -1),
      gradFunc: (dy, [d]) => tf.mul(d, tf.expandDims(tf.mul(dy, 2 / n), -1)),
    };
  })(output);
}

const sameShape = (a: tf.Tensor, b: tf.Tensor) =>
  a.shape.length === b.shape.length && a.shape.every((length, i) => length === b.shape[i]);

/** The quick form of a loss that a model was compiled with by name, or `lossFunction`. */
export function quickLoss(name: unknown, lossFunction: LossFunction): LossFunction {
  if (name === 'sparseCategoricalCrossentropy') return sparseCategoricalCrossentropy;
  // tfjs broadcasts a target of another shape.
  if (name === 'meanSquaredError')
    return (target, output) =>
      sameShape(target, output) ? meanSquaredError(target, output) : lossFunction(target, output);
  return lossFunction;
}
