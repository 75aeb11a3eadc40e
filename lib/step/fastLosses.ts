/**
 * Faster forms of losses that tfjs composes of many small operations. On a small model
 * these took a tenth of the step, and they delay the last stage of a pipeline. The results equal
 * tfjs's up to rounding.
 */
import * as tf from '@tensorflow/tfjs';
import type {LossFunction} from '../model/tfjsInternals';

/**
 * 'sparseCategoricalCrossentropy' (tfjs-layers 4.22, losses.ts). `output` [..., classes] is clipped
 * to [e, 1 - e] and divided by its sum s. With p the share of the class that `target` names,
 * clipped too, the loss of a prediction is -log p. Its gradient for output j is (p - [j is the
 * class]) / (p s), or zero where a value was clipped. As in tfjs, class numbers are rounded down,
 * and the loss is 0 for a class below 0 or above the last one. Returns [...], one number a
 * prediction.
 */
function sparseCategoricalCrossentropy(target: tf.Tensor, output: tf.Tensor): tf.Tensor {
  const classes = output.shape[output.rank - 1];
  const rows = output.size / classes;
  const epsilon = tf.backend().epsilon();
  const clip = (x: tf.Tensor) => tf.clipByValue(x, epsilon, 1 - epsilon);
  const classMask = tf.oneHot(
    tf.cast(tf.floor(tf.reshape(target, [rows])), 'int32'),
    classes,
    1,
    0,
    'float32',
  );
  const loss = tf.customGrad((...inputs) => {
    const [raw] = inputs as tf.Tensor[];
    const save = inputs[inputs.length - 1] as tf.GradSaveFunc;
    const clipped = clip(raw);
    const sum = tf.sum(clipped, 1, true);
    const share = tf.div(tf.sum(tf.mul(clipped, classMask), 1, true), sum);
    // 1 where the target names a class. Where it names none, the share is 0 and so clipped, and the
    // gradient is 0 already.
    const hasClass = tf.sum(classMask, 1, true);
    const value = tf.mul(tf.neg(tf.log(clip(share))), hasClass);
    save([raw, classMask, share, sum]);
    return {
      value: tf.reshape(value, [rows]),
      gradFunc: (dy, [saved, savedMask, p, s]) => {
        const unclippedShare = tf.cast(tf.equal(p, clip(p)), 'float32');
        const scale = tf.div(tf.mul(tf.reshape(dy, [rows, 1]), unclippedShare), tf.mul(clip(p), s));
        const unclipped = tf.cast(tf.equal(saved, clip(saved)), 'float32');
        return tf.mul(tf.mul(tf.sub(p, savedMask), scale), unclipped);
      },
    };
  });
  return tf.reshape(loss(tf.reshape(output, [rows, classes])), output.shape.slice(0, -1));
}

/**
 * 'meanSquaredError' (tfjs-layers 4.22, losses.ts): the mean over the last dim, n long, of d^2 with
 * d = output - target; its gradient for the output is 2 d / n. Returns [...], one number a row of
 * the last dim.
 */
function meanSquaredError(target: tf.Tensor, output: tf.Tensor): tf.Tensor {
  const n = output.shape[output.rank - 1];
  return tf.customGrad((...inputs) => {
    const [raw] = inputs as tf.Tensor[];
    const save = inputs[inputs.length - 1] as tf.GradSaveFunc;
    const difference = tf.sub(raw, target);
    save([difference]);
    return {
      value: tf.mean(tf.mul(difference, difference), -1),
      gradFunc: (dy, [d]) => tf.mul(d, tf.expandDims(tf.mul(dy, 2 / n), -1)),
    };
  })(output);
}

const sameShape = (a: tf.Tensor, b: tf.Tensor) =>
  a.shape.length === b.shape.length && a.shape.every((length, i) => length === b.shape[i]);

/** The faster form of a loss that the model was compiled with by name, or `lossFunction`. */
export function quickLoss(name: unknown, lossFunction: LossFunction): LossFunction {
  if (name === 'sparseCategoricalCrossentropy') return sparseCategoricalCrossentropy;
  // tfjs broadcasts a target that has another shape.
  if (name === 'meanSquaredError')
    return (target, output) =>
      sameShape(target, output) ? meanSquaredError(target, output) : lossFunction(target, output);
  return lossFunction;
}
