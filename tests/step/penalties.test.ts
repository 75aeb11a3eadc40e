/** Penalties on weights count once for each use of their layer, as in fit, by every strategy. */
import {describe, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {
  DATA,
  dense,
  expectAsFit,
  fitCase,
  floats,
  MICRO,
  piped,
  recomputed,
  TENSOR,
  TRAIN,
} from '../helpers/asFit';

type Symbolic = tf.SymbolicTensor;
const N = 11;
const l2 = () => tf.regularizers.l2({l2: 0.3});
const apply = (layer: tf.layers.Layer | tf.LayersModel, x: Symbolic | Symbolic[]) =>
  (layer as tf.layers.Layer).apply(x) as Symbolic;
const validated = {validationSplit: 0.3};
const xs = [floats(1, N, 4)];
const ys = [floats(2, N, 1)];

/** A layer that is used three times, and one that another model uses too. */
const shared = fitCase(
  () => {
    const layer = dense('shared', 4, {kernelRegularizer: l2(), activation: 'tanh'});
    const other = dense('other', 4, {kernelRegularizer: l2(), biasRegularizer: 'l1l2'});
    const elsewhere = tf.input({shape: [4], name: 'elsewhere'});
    tf.model({inputs: elsewhere, outputs: apply(other, elsewhere)});
    const input = tf.input({shape: [4], name: 'x'});
    const thrice = apply(layer, apply(layer, apply(layer, input)));
    return tf.model({inputs: input, outputs: apply(dense('out', 1), apply(other, thrice))});
  },
  xs,
  ys,
  validated,
);

/** A nested model that is used twice, in which a layer is used twice and another is wrapped. */
const nested = fitCase(
  () => {
    const layer = dense('layer', 4, {kernelRegularizer: l2()});
    const inside = tf.input({shape: [4], name: 'inside'});
    const rows = apply(
      tf.layers.reshape({name: 'rows', targetShape: [2, 2]}),
      apply(layer, inside),
    );
    const each = apply(
      tf.layers.timeDistributed({
        name: 'each',
        layer: dense('each_one', 2, {kernelRegularizer: l2()}),
      }),
      rows,
    );
    const flat = apply(tf.layers.flatten({name: 'flat'}), each);
    const inner = tf.model({inputs: inside, outputs: apply(layer, flat), name: 'inner'});
    const input = tf.input({shape: [4], name: 'x'});
    const twice = apply(inner, apply(inner, input));
    const up = apply(dense('up', 6, {kernelRegularizer: l2()}), twice);
    return tf.model({inputs: input, outputs: apply(dense('out', 1), up)});
  },
  xs,
  ys,
  validated,
);

describe('a penalty counts for each use of its layer', () => {
  it('of a shared layer', () =>
    expectAsFit(
      shared,
      [TRAIN, MICRO, recomputed('shared', 'other'), ...DATA, piped(2, 'other', 'out')],
      0.02,
    ));
  it('of nested models and wrappers', () =>
    expectAsFit(nested, [TRAIN, recomputed('inner'), ...DATA, TENSOR, piped(2, 'up')], 0.02));
});
