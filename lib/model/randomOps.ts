/**
 * Replaces tfjs's operations that draw random numbers. In the call of a layer they draw from its
 * counter-based streams (lib/base/draws.ts); everywhere else they are tfjs's own.
 */
import * as tf from '@tensorflow/tfjs';
import {
  fillByFunction,
  fillGamma,
  fillNormal,
  fillTruncatedNormal,
  fillUniform,
  type Values,
} from '../base/distributions';
import {nextDraw, type DrawContext, type DrawRows} from '../base/draws';
import {masked, nextMask} from '../base/dropout';
import {ManyHandsError} from '../base/errors';
import {stepContext} from '../base/stepContext';
import {coreExports, type RandomOps} from './tfjsRandom';

type Args<Name extends keyof RandomOps> = Parameters<RandomOps[Name]>;
type Fill = (values: Values, draw: DrawRows) => void;

const ARRAYS = {float32: Float32Array, int32: Int32Array, bool: Uint8Array};
const product = (shape: readonly number[]) => shape.reduce((size, length) => size * length, 1);

/** A tensor of a call's next draw, whose numbers `fill` writes. */
function drawn(context: DrawContext, shape: number[], dtype: tf.DataType, fill: Fill): tf.Tensor {
  const values = new ARRAYS[dtype as keyof typeof ARRAYS](product(shape));
  fill(values, nextDraw(context, shape));
  return tf.tensor(values, shape, dtype);
}

/**
 * The next draw of an operation to which the user gave a seed: the numbers that one device draws
 * for the whole batch, cut to the samples that the call sees. `ofLength` draws a list of numbers.
 */
function drawnWithSeed(
  context: DrawContext,
  shape: number[],
  ofLength: (length: number) => tf.Tensor,
  shared = false,
): tf.Tensor {
  const {rows, firstRow, length, firstElement, fullLength} = nextDraw(context, shape, {shared});
  return tf.tidy(() => {
    const all = ofLength((firstRow + rows) * fullLength);
    const byRow = tf.reshape(all, [firstRow + rows, fullLength]);
    return tf.reshape(tf.slice(byRow, [firstRow, firstElement], [rows, length]), shape);
  });
}

/** Whether a product of `x` and `mask` has the shape of `x`. */
const broadcastsTo = (mask: readonly number[], x: readonly number[]) =>
  mask.length <= x.length &&
  mask.every((length, i) => length === 1 || length === x[x.length - mask.length + i]);

/**
 * The shape of a dropout mask as tfjs reads `noiseShape`, in which null stands for the length of
 * `x`. A first dim of a fixed number has a row for each sample of the whole batch, from which a
 * rank or a micro-batch takes its own. Throws BAD_MODEL if the batch has more samples.
 */
function maskShape(
  {draws, layer, firstSample}: DrawContext,
  x: tf.Tensor,
  noiseShape: Args<'dropout'>[2],
): number[] {
  if (!noiseShape) return x.shape;
  if (noiseShape.length !== x.rank) return noiseShape as number[];
  const [first, ...rest] = noiseShape.map((length, i) => length ?? x.shape[i]);
  if (first <= 1 || first === x.shape[0]) return [first, ...rest];
  if (x.shape[0] !== draws.samples || firstSample + draws.samples > first)
    throw new ManyHandsError(
      'BAD_MODEL',
      `layer '${layer}' has a noiseShape of ${first} samples, and the batch has more: write null for the first dim, which stands for the number of samples.`,
    );
  return [x.shape[0], ...rest];
}

/** The operations as they work in the call of a layer; `ops` are tfjs's own. */
function opsInCall(ops: RandomOps, context: DrawContext): RandomOps {
  /** tfjs takes 0 for no seed, except where it draws uniform numbers. */
  const draw = (
    shape: number[],
    dtype: tf.DataType,
    seed: unknown,
    ofLength: (length: number) => tf.Tensor,
    fill: Fill,
  ) => (seed ? drawnWithSeed(context, shape, ofLength) : drawn(context, shape, dtype, fill));

  const randomUniform = (...[shape, low = 0, high = 1, dtype, seed]: Args<'randomUniform'>) =>
    draw(
      shape,
      dtype ?? 'float32',
      seed === 0 ? '0' : seed,
      (length) => ops.randomUniform([length], low, high, dtype, seed),
      (values, rows) => fillUniform(values, rows, low, high),
    );
  const randomNormal = (...[shape, mean = 0, deviation = 1, dtype, seed]: Args<'randomNormal'>) =>
    draw(
      shape,
      dtype ?? 'float32',
      seed,
      (length) => ops.randomNormal([length], mean, deviation, dtype, seed),
      (values, rows) => fillNormal(values, rows, mean, deviation),
    );
  return {
    randomUniform,
    randomNormal,
    randomUniformInt: (shape, low, high, seed) => randomUniform(shape, low, high, 'int32', seed),
    randomStandardNormal: (shape, dtype, seed) => randomNormal(shape, 0, 1, dtype, seed),
    truncatedNormal: (shape, mean = 0, deviation = 1, dtype, seed) =>
      draw(
        shape,
        dtype ?? 'float32',
        seed,
        (length) => ops.truncatedNormal([length], mean, deviation, dtype, seed),
        (values, rows) => fillTruncatedNormal(values, rows, mean, deviation),
      ),
    randomGamma: (shape, alpha, beta, dtype, seed) =>
      draw(
        shape,
        dtype ?? 'float32',
        seed,
        (length) => ops.randomGamma([length], alpha, beta, dtype, seed),
        (values, rows) => fillGamma(values, rows, alpha, beta ?? 1),
      ),
    rand: (shape, next, dtype) => {
      const {draws} = context;
      const {uniform} = draws;
      try {
        return drawn(context, shape, dtype ?? 'float32', (values, rows) =>
          fillByFunction(values, rows, next, (stream) => {
            draws.uniform = stream;
          }),
        );
      } finally {
        draws.uniform = uniform;
      }
    },
    dropout: (tensorLike, rate, noiseShape, seed) => {
      const x = tensorLike instanceof tf.Tensor ? tensorLike : tf.tensor(tensorLike);
      if (!(rate > 0 && rate < 1) || x.dtype !== 'float32')
        return ops.dropout(tensorLike, rate, noiseShape, seed);
      return tf.tidy(() => {
        const shape = maskShape(context, x, noiseShape);
        const shared = shape.length !== x.rank;
        const keep = 1 - rate;
        const mask =
          seed === undefined || seed === null
            ? nextMask(context, shape, rate, shared)
            : drawnWithSeed(
                context,
                shape,
                (length) => {
                  const uniform = ops.randomUniform([length], 0, 1, 'float32', seed);
                  return tf.div(tf.floor(tf.add(uniform, keep)), keep);
                },
                shared,
              );
        return broadcastsTo(shape, x.shape) ? masked(x, mask) : tf.mul(x, mask);
      });
    },
    // A seed fixes nothing in tfjs: TensorFlow's generator goes on from call to call.
    multinomial: (tensorLike, count, seed, normalized = false) =>
      tf.tidy(() => {
        const logits = tensorLike instanceof tf.Tensor ? tensorLike : tf.tensor(tensorLike);
        const classes = logits.shape[logits.rank - 1];
        if (logits.rank > 2 || classes < 2) return ops.multinomial(logits, count, seed, normalized);
        const scores = tf.reshape(normalized ? tf.log(logits) : logits, [-1, classes]);
        const [rows] = scores.shape;
        const draw = nextDraw(context, [rows, count * classes], {shared: logits.rank === 1});
        const shape = logits.rank === 1 ? [count] : [rows, count];
        // The class with the largest logit plus Gumbel noise.
        const uniform = new Float32Array(rows * count * classes);
        fillUniform(uniform, draw, 0, 1);
        const exponential = tf.neg(tf.log(tf.tensor(uniform, [rows, count, classes])));
        const noisy = tf.sub(tf.expandDims(scores, 1), tf.log(exponential));
        return tf.reshape(tf.argMax(noisy, 2), shape);
      }),
  };
}

const core = coreExports();
const NAMES = [
  'randomUniform',
  'randomUniformInt',
  'randomNormal',
  'randomStandardNormal',
  'truncatedNormal',
  'randomGamma',
  'rand',
  'dropout',
  'multinomial',
] as const;
const tfjsOps = Object.fromEntries(
  NAMES.map((name) => [name, core[name] as unknown]),
) as Partial<RandomOps> as RandomOps;

for (const name of NAMES) {
  const own = tfjsOps[name] as (...args: unknown[]) => tf.Tensor;
  Object.assign(core, {
    [name]: (...args: unknown[]) => {
      const context = stepContext();
      if (!context?.draws) return own(...args);
      const inCall = opsInCall(tfjsOps, context as DrawContext)[name];
      return (inCall as (...args: unknown[]) => tf.Tensor)(...args);
    },
  });
}
