/**
 * sampleWeight and classWeight weight the loss of each sample, or of each position, for outputs of
 * any rank. fit has classWeight alone: sampleWeight is held to a fit whose loss holds the weights.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {Random} from '#lib/base/random.js';
import type {ShapedArray} from '#lib/base/arrays.js';
import type {TrainOptions} from '#lib/config/options.js';
import {train} from '#lib/run/train.js';
import {refusal} from '../helpers/refusal';
import {expectSameRun, runFit, weightsOf, type ParityCase} from '../parity/harness';
import {DIVISIONS, exported, fixture, KINDS, modules, runDivided, SOME} from './divisions';

// One batch, as many samples as positions: here a weight could meet the wrong dim.
const SAMPLES = 5;
const STEPS = 5;
const random = new Random(2);
const floats = (...shape: number[]): ShapedArray => ({
  values: Float32Array.from({length: tf.util.sizeFromShape(shape)}, () => random.uniform() * 2 - 1),
  shape,
});

function caseOf(shape: number[], loss: unknown = 'meanSquaredError'): ParityCase {
  return {
    name: 'weights',
    data: {xs: [floats(SAMPLES, ...shape, 2)], ys: [floats(SAMPLES, ...shape, 3)]},
    batchSize: SAMPLES,
    model: (optimizer) => {
      const dense = (name: string, units: number, more: object = {}) =>
        tf.layers.dense({
          name,
          units,
          kernelInitializer: tf.initializers.glorotUniform({seed: units}),
          ...more,
        });
      const model = tf.sequential();
      model.add(dense('first', 6, {inputShape: [...shape, 2], activation: 'tanh'}));
      model.add(dense('second', 5, {activation: 'tanh'}));
      model.add(dense('out', 3));
      model.compile({optimizer, loss: loss as string, metrics: ['mse']});
      return model;
    },
  };
}

const sgd = () => tf.train.sgd(0.1);
const perSample = [1, 0, 2, 0.5, 3];
const sequences = caseOf([STEPS]);

/** What fit does with a loss that multiplies by `weights`, of the loss's own rank. */
async function reference(one: ParityCase, weights: () => tf.Tensor, epochs = 2) {
  const model = one.model(sgd());
  model.compile({
    optimizer: sgd(),
    loss: (target, output) =>
      tf.tidy(() => tf.mul(tf.mean(tf.square(tf.sub(target, output)), -1), weights())),
    metrics: ['mse'],
  });
  return runFit(one, model, epochs);
}

describe('sampleWeight', () => {
  it.each(DIVISIONS)('of samples of sequences: %s', async (...division) => {
    const weighted = await reference(sequences, () => tf.tensor2d(perSample, [SAMPLES, 1]));
    const actual = await runDivided(sequences, sgd, division, {sampleWeight: perSample}, 2);
    expectSameRun(actual, weighted, 1e-5);
  });

  const SHAPES: Array<[string, number[], number[], TrainOptions['sampleWeight'] | null]> = [
    ['vectors', [], [SAMPLES], Int32Array.of(1, 0, 2, 4, 3)],
    ['vectors, a column of weights', [], [SAMPLES, 1], null],
    ['images', [2, 3], [SAMPLES], null],
    ['rows of images', [2, 3], [SAMPLES, 2], null],
    ['pixels of images', [2, 3], [SAMPLES, 2, 3], null],
    ['positions', [STEPS], [SAMPLES, STEPS], null],
    ['positions, as rows', [1], [SAMPLES, 1], perSample.map((weight) => [weight])],
  ];
  it.each(SHAPES)('of %s', async (_, shape, weightShape, given) => {
    const one = caseOf(shape);
    const tensor = tf.randomUniform(weightShape, 0, 2, 'float32', 4);
    const values = given ? Float32Array.from([...(given as number[])].flat()) : tensor.dataSync();
    const ones = Array<number>(Math.max(0, 1 + shape.length - weightShape.length)).fill(1);
    const full = [...weightShape.slice(0, 1 + shape.length), ...ones];
    const weighted = await reference(one, () => tf.tensor(values as Float32Array, full), 1);
    for (const sampleWeight of [
      given ?? tensor,
      {values: Float32Array.from(values), shape: weightShape},
    ])
      for (const division of SOME)
        expectSameRun(await runDivided(one, sgd, division, {sampleWeight}), weighted, 1e-5);
  });

  it('of a loss of a user, one number a sample', async () => {
    const one = caseOf([STEPS], exported.perSample);
    const weighted = await reference(one, () => tf.tensor2d(perSample, [SAMPLES, 1]), 1);
    const options = {sampleWeight: perSample, modules: modules('perSample')};
    expectSameRun(await runDivided(one, sgd, SOME[1], options), weighted, 1e-5);
  });
});

describe('classWeight', () => {
  const classWeight = {0: 1, 1: 3, 2: 0.5};
  const one = (loss: unknown): ParityCase => {
    const unweighted = caseOf([], loss);
    const values = Float32Array.of(0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0);
    const ys = [{values, shape: [SAMPLES, 3]}];
    return {...unweighted, data: {...unweighted.data, ys}, options: {classWeight}};
  };
  it.each(KINDS)('of one-hot targets: %s', async (...division) => {
    const onehot = one('meanSquaredError');
    const weighted = await runFit(onehot, onehot.model(sgd()), 1);
    expectSameRun(await runDivided(onehot, sgd, division), weighted, 1e-5);
  });

  it.each([
    ["of a user's own", exported.meanAsNumber],
    ["of tfjs's", tf.losses.meanSquaredError],
  ])(
    'a loss %s that is one number for the batch: as in fit, or refused where it is divided',
    async (_, loss) => {
      const scalar = one(loss);
      const weighted = await runFit(scalar, scalar.model(sgd()), 1);
      const options = {modules: modules('meanAsNumber')};
      const actual = await runDivided(scalar, sgd, ['train', 1, {}], options);
      expectSameRun(actual, weighted, 1e-5);
      const error = await refusal(runDivided(scalar, sgd, SOME[0], options));
      expect(error.code).toBe('BAD_OPTION');
      expect(error.message).toMatch(
        /classWeight cannot weight the loss .*, which returns one number for the whole batch/,
      );
    },
  );
});

describe('weights that do not fit are refused before a worker starts', () => {
  const run = (one: ParityCase, options: TrainOptions) => {
    const model = one.model(sgd());
    return train(model, one.data, {batchSize: SAMPLES, verbose: 0, ...options});
  };
  const labels = {values: Float32Array.of(0, 1, 2, 1, 0), shape: [SAMPLES, 1]};
  const sparse = caseOf([STEPS], 'sparseCategoricalCrossentropy');
  const positions = {
    ...sparse,
    data: {...sparse.data, ys: [{values: new Float32Array(25), shape: [5, 5]}]},
  };
  const CASES: Array<[string, ParityCase, TrainOptions, RegExp]> = [
    ['too few', sequences, {sampleWeight: [1, 2]}, /2 numbers; the data has 5 samples/],
    [
      'another rank',
      sequences,
      {sampleWeight: tf.ones([5, 5, 3])},
      /\[5, 5, 3\].*\[5\], or \[5, 5\]/,
    ],
    ['other positions', sequences, {sampleWeight: tf.ones([5, 4])}, /has shape \[5, 4\]/],
    ['not a number', sequences, {sampleWeight: [1, Number.NaN, 1, 1, 1]}, /its number 1 is/],
    ['uneven rows', sequences, {sampleWeight: [[1, 2], [1]]}, /equally long/],
    ['text', sequences, {sampleWeight: 'all' as unknown as number[]}, /it is "all"/],
    ['classes of sequences', positions, {classWeight: {0: 1}}, /sequences have no class weights/],
    ['of another output', sequences, {classWeight: {other: {0: 1}}}, /'other', which is no output/],
    [
      'a class is missing',
      {
        ...caseOf([], 'sparseCategoricalCrossentropy'),
        data: {xs: caseOf([]).data.xs, ys: [labels]},
      },
      {classWeight: {0: 1, 1: 2}},
      /no weight for class 2/,
    ],
    [
      'a sum and a count',
      caseOf([STEPS], exported.validParts),
      {sampleWeight: perSample, modules: modules('validParts')},
      /sampleWeight cannot weight the loss 'validParts', which returns {sum, count}/,
    ],
    [
      'one number for the batch',
      caseOf([STEPS], exported.meanAsNumber),
      {sampleWeight: perSample, modules: modules('meanAsNumber')},
      /returns one number for the whole batch/,
    ],
  ];
  it.each(CASES)('%s', async (_, one, options, message) => {
    const error = await refusal(run(one, options));
    expect(error.code).toBe('BAD_OPTION');
    expect(error.message).toMatch(message);
  });

  it('in the worker, before a step, if it opens the data', async () => {
    const model = tf.sequential();
    model.add(tf.layers.dense({units: 4, inputShape: [3]}));
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const before = weightsOf(model);
    const data = {module: fixture, export: 'open', args: {samples: 10}};
    const error = await refusal(train(model, data, {verbose: 0, sampleWeight: [1, 2]}));
    expect([error.code, /2 numbers; the data has 10/.test(error.message)]).toEqual([
      'BAD_OPTION',
      true,
    ]);
    expect(weightsOf(model)).toEqual(before);
  });
});
