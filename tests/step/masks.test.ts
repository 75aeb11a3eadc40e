/** Masks go through a model as in tfjs's executor, by every strategy. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {ShapedArray} from '#lib/base/arrays.js';
import {readGraph} from '#lib/model/graph.js';
import {
  possibleSplitPoints,
  splitPointName,
  splitPointsAt,
} from '#lib/pipelineParallel/splitPoints.js';
import {
  DATA,
  dense,
  expectAsFit,
  fitCase,
  floats,
  integers,
  lstm,
  MICRO,
  piped,
  recomputed,
  TENSOR,
  TRAIN,
  type Way,
} from '../helpers/asFit';

type Symbolic = tf.SymbolicTensor;
const N = 11;
const STEPS = 4;
const WORDS = 7;
const tokens = (seed: number): ShapedArray => {
  const array = integers(seed, WORDS, N, STEPS);
  // The second half of most samples is padding.
  for (let i = 0; i < array.values.length; i++) if (i % 4 > 1 && i % 3 > 0) array.values[i] = 0;
  return array;
};
const words = (name: string) =>
  tf.layers.embedding({
    name,
    inputDim: WORDS,
    outputDim: 2,
    maskZero: true,
    embeddingsInitializer: tf.initializers.randomUniform({minval: -1, maxval: 1, seed: 3}),
  });
const apply = (layer: tf.layers.Layer, x: Symbolic | Symbolic[]) => layer.apply(x) as Symbolic;
const validated = {validationSplit: 0.3};

/** Two inputs into one concatenation, each masked or not. */
const joined = (kinds: Array<'masked' | 'plain'>) =>
  fitCase(
    () => {
      const inputs = kinds.map((kind, i) =>
        tf.input({shape: kind === 'masked' ? [STEPS] : [STEPS, 2], name: `input_${i}`}),
      );
      const parts = inputs.map((input, i) =>
        kinds[i] === 'masked' ? apply(words(`words_${i}`), input) : input,
      );
      const both = apply(tf.layers.concatenate({name: 'both'}), parts);
      return tf.model({inputs, outputs: apply(dense('out', 1), apply(lstm('lstm', 3), both))});
    },
    kinds.map((kind, i) => (kind === 'masked' ? tokens(i + 1) : floats(i + 1, N, STEPS, 2))),
    [floats(9, N, 1)],
    validated,
  );

/** The second LSTM has no masked input, and tfjs hands it the mask of the first one. */
const leftBehind = fitCase(
  () => {
    const input = tf.input({shape: [STEPS], name: 'tokens'});
    const code = apply(lstm('encoder', 3), apply(words('words'), input));
    const again = apply(tf.layers.repeatVector({n: STEPS, name: 'repeat'}), code);
    const back = apply(lstm('decoder', 3, {returnSequences: true}), again);
    const flat = apply(tf.layers.flatten({name: 'flat'}), back);
    return tf.model({inputs: input, outputs: apply(dense('out', 1), apply(dense('up', 4), flat))});
  },
  [tokens(1)],
  [floats(9, N, 1)],
  validated,
);

/** No mask goes into a nested model, but the arguments with the last mask do. */
const nested = fitCase(
  () => {
    const inside = tf.input({shape: [STEPS, 2], name: 'inside'});
    const inner = tf.model({
      inputs: inside,
      outputs: apply(lstm('inner', 3, {returnSequences: true}), inside),
      name: 'nested',
    });
    const input = tf.input({shape: [STEPS], name: 'tokens'});
    const first = apply(inner as unknown as tf.layers.Layer, apply(words('words'), input));
    return tf.model({
      inputs: input,
      outputs: apply(dense('out', 1), apply(lstm('last', 2), first)),
    });
  },
  [tokens(1)],
  [floats(9, N, 1)],
  validated,
);

/** A nested model masks inside; outside, tfjs has freed its masks. */
const maskedInside = fitCase(
  () => {
    const inside = tf.input({shape: [STEPS], name: 'inside'});
    const sequence = apply(
      lstm('inner', 2, {returnSequences: true}),
      apply(words('words'), inside),
    );
    const outputs = apply(lstm('inner_2', 3), apply(dense('each', 2), sequence));
    const inner = tf.model({inputs: inside, outputs, name: 'nested'});
    const input = tf.input({shape: [STEPS], name: 'tokens'});
    const first = apply(inner as unknown as tf.layers.Layer, input);
    return tf.model({inputs: input, outputs: apply(dense('out', 1), apply(dense('up', 3), first))});
  },
  [tokens(1)],
  [floats(9, N, 1)],
  validated,
);

/** Every output of a layer has the mask of the first one. */
const states = fitCase(
  () => {
    const input = tf.input({shape: [STEPS], name: 'tokens'});
    const [sequence, state] = lstm('both', 3, {returnSequences: true, returnState: true}).apply(
      apply(words('words'), input),
    ) as Symbolic[];
    const last = apply(lstm('last', 2), sequence);
    const together = apply(tf.layers.concatenate({name: 'together'}), [last, state]);
    return tf.model({inputs: input, outputs: apply(dense('out', 1), together)});
  },
  [tokens(1)],
  [floats(9, N, 1)],
);

const wrapped = fitCase(
  () => {
    const model = tf.sequential();
    model.add(tf.layers.masking({name: 'masking', maskValue: 0, inputShape: [STEPS, 2]}));
    model.add(tf.layers.timeDistributed({name: 'each', layer: dense('inside', 3)}));
    model.add(
      tf.layers.bidirectional({
        name: 'both',
        layer: lstm('lstm', 2) as unknown as tf.RNN,
        mergeMode: 'concat',
      }),
    );
    model.add(dense('out', 1));
    return model;
  },
  [
    {
      ...floats(1, N, STEPS, 2),
      values: floats(1, N, STEPS, 2).values.map((v, i) => (i % 8 > 4 ? 0 : v)),
    },
  ],
  [floats(9, N, 1)],
  validated,
);

const JOINED: Array<[string, ReturnType<typeof joined>, Way[]]> = [
  [
    'masked and masked',
    joined(['masked', 'masked']),
    [MICRO, recomputed('both', 'lstm'), ...DATA, TENSOR, piped(2, 'out')],
  ],
  ['plain and masked', joined(['plain', 'masked']), [recomputed('both', 'lstm'), TENSOR]],
  ['masked and plain', joined(['masked', 'plain']), [DATA[0]]],
];

describe('masks as in fit', () => {
  it.each(JOINED)('of two inputs, %s', (_, one, ways) => expectAsFit(one, [TRAIN, ...ways]));
  it('of an earlier layer', () =>
    expectAsFit(leftBehind, [
      TRAIN,
      recomputed('decoder'),
      recomputed('encoder', 'repeat', 'decoder', 'up'),
      DATA[2],
      TENSOR,
      piped(2, 'flat', 'out'),
    ]));
  it('around a nested model', () =>
    expectAsFit(nested, [TRAIN, recomputed('nested'), DATA[0], piped(1, 'out')]));
  it('inside a nested model', () =>
    expectAsFit(maskedInside, [TRAIN, recomputed('nested/each'), DATA[2], piped(2, 'up')]));
  it('of several outputs of a layer', () => expectAsFit(states, [TRAIN, recomputed('both')]));
  it('in wrappers', () => expectAsFit(wrapped, [TRAIN, recomputed('both'), DATA[1]]));
});

describe('a pipeline is not cut', () => {
  const graph = readGraph(leftBehind.model(tf.train.sgd(0.1)));
  it('where the mask of an earlier layer would stay behind', () => {
    expect(possibleSplitPoints(graph).map((point) => splitPointName(graph, point))).toEqual([
      'flat',
      'up',
      'out',
    ]);
    expect(() => splitPointsAt(graph, ['repeat'])).toThrow(
      /cannot be cut before 'repeat': a mask of an earlier layer reaches 'decoder'/,
    );
  });
});
