/**
 * Faster gradients for operations whose gradients in tfjs 4.22 take many passes over the data. They
 * are in tfjs's registry, so every layer, every model and plain `fit` use them. Each equals the
 * gradient of tfjs up to the order of a sum, or mends it.
 */
import * as tf from '@tensorflow/tfjs';
import {BROADCAST, COLUMN_SUM, RELU_GRAD} from './fastKernels';

const {broadcast_util: broadcasting} = tf;

type Gradient = Parameters<typeof tf.registerGradient>[0];

function replace(gradient: Gradient): void {
  tf.unregisterGradient(gradient.kernelName);
  tf.registerGradient(gradient);
}

/** The gradient of an operand that was broadcast to the shape of `dy`: a sum over those dims. */
function unbroadcast(dy: tf.Tensor, shape: number[], fast: boolean): tf.Tensor {
  const axes = broadcasting.getReductionAxes(shape, dy.shape);
  if (axes.length === 0) return tf.reshape(dy, shape);
  const columns = dy.shape[dy.rank - 1];
  // A bias: one row, added to every row.
  if (fast && axes.length === dy.rank - 1 && axes.every((axis, i) => axis === i) && columns > 1) {
    const rows = tf.reshape(dy, [dy.size / columns, columns]);
    return tf.reshape(tf.engine().runKernel(COLUMN_SUM, {x: rows}) as tf.Tensor, shape);
  }
  return tf.reshape(tf.sum(dy, axes), shape);
}

/** Repeats `dy`, the gradient of a reduction over `axis`, along the reduced dims of `shape`. */
function spread(dy: tf.Tensor, shape: number[], axis: number | number[]): tf.Tensor {
  const keptDims = shape.slice();
  for (const reduced of tf.util.parseAxisParam(axis, shape)) keptDims[reduced] = 1;
  return tf.engine().runKernel(BROADCAST, {
    x: tf.reshape(dy, keptDims),
    shape: tf.tensor1d(shape, 'int32'),
  }) as tf.Tensor;
}

function additions(fast: boolean): void {
  for (const [kernelName, sign] of [
    ['Add', 1],
    ['Sub', -1],
  ] as const) {
    replace({
      kernelName,
      inputsToSave: ['a', 'b'],
      gradFunc: (outputGradient, [a, b]) => {
        const dy = outputGradient as tf.Tensor;
        return {
          a: () => unbroadcast(dy, a.shape, fast),
          b: () =>
            sign === 1 ? unbroadcast(dy, b.shape, fast) : tf.neg(unbroadcast(dy, b.shape, fast)),
        };
      },
    });
  }
}

/** tfjs would multiply by a tensor of ones that it makes in JavaScript. */
function reductions(): void {
  replace({
    kernelName: 'Sum',
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attrs) => ({
      x: () => spread(dy as tf.Tensor, x.shape, attrs.axis as number[]),
    }),
  });
  replace({
    kernelName: 'Mean',
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attrs) => ({
      x: () => {
        const axes = tf.util.parseAxisParam(attrs.axis as number[], x.shape);
        const count = axes.reduce((product, axis) => product * x.shape[axis], 1);
        return tf.div(spread(dy as tf.Tensor, x.shape, axes), count);
      },
    }),
  });
}

/** tfjs would add a slice for every repetition. */
function tiling(): void {
  replace({
    kernelName: 'Tile',
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attrs) => ({
      x: () => {
        const reps = attrs.reps as number[];
        const repeated = reps.flatMap((times, i) => [times, x.shape[i]]);
        const sums = reps.map((_, i) => 2 * i).filter((axis) => repeated[axis] > 1);
        const split = tf.reshape(dy as tf.Tensor, repeated);
        return tf.reshape(sums.length > 0 ? tf.sum(split, sums) : split, x.shape);
      },
    }),
  });
}

/**
 * tfjs fails where an unstacked tensor has one part, since the gradient of the part comes without a
 * list: a recurrent layer over one time step.
 */
function unstacking(): void {
  replace({
    kernelName: 'Unpack',
    gradFunc: (dy, _, attrs) => ({
      value: () => tf.stack(Array.isArray(dy) ? dy : [dy], attrs.axis as number),
    }),
  });
}

/**
 * y = (x - mean) r scale + offset with r = 1 / sqrt(variance + epsilon). All five gradients come
 * from two sums over the samples: that of dy and that of dy (x - mean). This holds for statistics
 * of rank 1; the gradient of tfjs handles the others.
 */
function batchNorm(fast: boolean): void {
  const tfjsGradient = tf.getGradient('FusedBatchNorm').gradFunc;
  replace({
    kernelName: 'FusedBatchNorm',
    inputsToSave: ['x', 'mean', 'variance', 'scale'],
    gradFunc: (outputGradient, saved, attrs) => {
      const [x, mean, variance, scale] = saved;
      if (mean.rank !== 1) return tfjsGradient(outputGradient, saved, attrs);
      const dy = outputGradient as tf.Tensor;
      const gamma = scale ?? tf.onesLike(mean);
      const r = tf.rsqrt(tf.add(variance, attrs.varianceEpsilon as number));
      const sumDy = unbroadcast(dy, mean.shape, fast);
      const sumDyCentred = unbroadcast(tf.mul(dy, tf.sub(x, mean)), mean.shape, fast);
      const factor = tf.mul(r, gamma);
      return {
        x: () => tf.mul(dy, factor),
        mean: () => tf.neg(tf.mul(sumDy, factor)),
        variance: () => tf.mul(tf.mul(sumDyCentred, -0.5), tf.mul(factor, tf.square(r))),
        scale: () => tf.mul(sumDyCentred, r),
        offset: () => tf.clone(sumDy),
      };
    },
  });
}

/** Replaces the gradients. `fast`: TensorFlow's kernels of `fastKernels.ts` are registered. */
export function registerFastGradients(fast: boolean): void {
  additions(fast);
  tiling();
  unstacking();
  batchNorm(fast);
  if (!fast) return;
  reductions();
  replace({
    kernelName: 'Relu',
    outputsToSave: [true],
    // tfjs would make a step function of Greater, IsNaN, Select and Fill, and multiply by it.
    gradFunc: (dy, [y]) => ({
      x: () => tf.engine().runKernel(RELU_GRAD, {dy: dy as tf.Tensor, y}) as tf.Tensor,
    }),
  });
}
