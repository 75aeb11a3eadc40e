/**
 * Losses and metrics that are not means over samples equal fit's however a batch is divided, or are
 * refused before a worker starts.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {Random} from '#lib/base/random.js';
import {train} from '#lib/run/train.js';
import {sumOverCount} from '#lib/step/sumAndCount.js';
import {refusal} from '../helpers/refusal';
import {
  expectSameRun,
  runFit,
  runParallel,
  runTrain,
  weightsOf,
  type ParityCase,
} from '../parity/harness';
import {DIVISIONS, exported, fitOnce, fixture, modules, runDivided, SOME} from './divisions';

const SAMPLES = 18;
const random = new Random(3);
const floats = (length: number) => Float32Array.from({length}, () => random.uniform() * 2 - 1);
// Zeros, ones and padding: later samples have more padding than the first ones.
const targets = Float32Array.from({length: SAMPLES * 4}, (_, i) =>
  random.uniform() < i / (SAMPLES * 5) ? -1 : random.integer(2),
);
const data = {
  xs: [{values: floats(SAMPLES * 3), shape: [SAMPLES, 3]}],
  ys: [{values: targets, shape: [SAMPLES, 4]}],
};

function caseOf(loss: unknown, metrics: unknown = [], activation?: 'hardSigmoid'): ParityCase {
  return {
    name: 'losses',
    data,
    batchSize: 5,
    options: {validationSplit: 0.3},
    model: (optimizer) => {
      const dense = (name: string, units: number, more: object) =>
        tf.layers.dense({
          name,
          units,
          kernelInitializer: tf.initializers.randomUniform({minval: -3, maxval: 3, seed: units}),
          ...more,
        });
      const model = tf.sequential({name: 'losses'});
      model.add(dense('first', 6, {inputShape: [3], activation: 'tanh'}));
      model.add(dense('second', 5, {activation: 'tanh'}));
      model.add(dense('out', 4, {activation}));
      model.compile({optimizer, loss: loss as string, metrics: metrics as string[]});
      return model;
    },
  };
}

const sgd = () => tf.train.sgd(0.05);
const METRICS = [
  'precision',
  tf.metrics.recall,
  tf.metrics.r2Score,
  'mae',
  exported.near,
  exported.perSample,
];

describe('a sum over a count, and metrics from counts, equal fit', () => {
  // fit sees the quotient.
  const counted = caseOf(exported.validMean, METRICS, 'hardSigmoid');
  const raw = caseOf(exported.validParts, METRICS, 'hardSigmoid');
  const reference = fitOnce(counted, sgd, 2);
  it.each(DIVISIONS)('%s', async (...division) => {
    const {logs} = await reference();
    expect(logs.precision[0]).toBeGreaterThan(0);
    expect(logs.recall[0]).not.toBe(logs.precision[0]);
    const options = {modules: modules('validParts', 'near', 'perSample')};
    expectSameRun(await runDivided(raw, sgd, division, options, 2), await reference(), 1e-5);
  });

  it('processes, made by sumOverCount', async () => {
    const options = {
      devices: 2,
      microBatches: 3,
      modules: modules('validMean', 'near', 'perSample'),
    };
    const actual = await runParallel(counted, counted.model(sgd()), 2, options, 'processes');
    expectSameRun(actual, await reference(), 1e-5);
  });

  it.each([
    ["tfjs's", tf.metrics.recall],
    ["a user's own", exported.near],
  ])('one metric without a list, %s', async (_, metric) => {
    const single = caseOf('meanSquaredError', metric, 'hardSigmoid');
    const reference = await runFit(single, single.model(sgd()), 1);
    const options = {modules: modules('near')};
    expectSameRun(await runDivided(single, sgd, DIVISIONS[0], options), reference, 1e-5);
  });

  it('train on the whole batch, where the count may depend on the outputs', async () => {
    const reference = await runFit(
      caseOf(sumOverCount(exported.countsOutputs)),
      caseOf(sumOverCount(exported.countsOutputs)).model(sgd()),
      1,
    );
    const actual = caseOf(exported.countsOutputs);
    expectSameRun(
      await runTrain(actual, actual.model(sgd()), 1, {modules: modules('countsOutputs')}),
      reference,
      1e-5,
    );
  });

  it('a batch without valid targets has a loss of 0', async () => {
    const padded = {
      ...raw,
      options: {},
      data: {...data, ys: [{values: new Float32Array(SAMPLES * 4).fill(-1), shape: [SAMPLES, 4]}]},
    };
    const model = padded.model(sgd());
    const before = weightsOf(model);
    const run = await runTrain(padded, model, 1, {
      microBatches: 2,
      modules: modules('validParts', 'near', 'perSample'),
    });
    expect(run.losses).toEqual(run.losses.map(() => 0));
    expect(run.weights).toEqual(before);
  });
});

describe("every named loss, and tfjs's functions, add up", () => {
  const LOSSES: Array<[string, unknown]> = [
    ['meanSquaredError', 'meanSquaredError'],
    ['meanAbsoluteError', 'meanAbsoluteError'],
    ['meanAbsolutePercentageError', 'meanAbsolutePercentageError'],
    ['meanSquaredLogarithmicError', 'meanSquaredLogarithmicError'],
    ['squaredHinge', 'squaredHinge'],
    ['hinge', 'hinge'],
    ['categoricalHinge', 'categoricalHinge'],
    ['logcosh', 'logcosh'],
    ['categoricalCrossentropy', 'categoricalCrossentropy'],
    ['binaryCrossentropy', 'binaryCrossentropy'],
    ['kullbackLeiblerDivergence', 'kullbackLeiblerDivergence'],
    ['poisson', 'poisson'],
    ['cosineProximity', 'cosineProximity'],
    ['tf.losses.absoluteDifference', tf.losses.absoluteDifference],
    ['tf.losses.meanSquaredError', tf.losses.meanSquaredError],
    ['tf.losses.hingeLoss', tf.losses.hingeLoss],
    ['tf.losses.huberLoss', tf.losses.huberLoss],
    ['tf.losses.logLoss', tf.losses.logLoss],
    ['tf.losses.sigmoidCrossEntropy', tf.losses.sigmoidCrossEntropy],
    ['tf.losses.softmaxCrossEntropy', tf.losses.softmaxCrossEntropy],
    ['tf.metrics.meanAbsoluteError', tf.metrics.meanAbsoluteError],
  ];
  // Targets outside 0 to 1 are taken as fit takes them.
  it.each(LOSSES)('%s', async (_, loss) => {
    const one = {...caseOf(loss, [], 'hardSigmoid'), options: {}};
    const slow = () => tf.train.sgd(1e-4);
    const reference = await runFit(one, one.model(slow()), 1);
    expectSameRun(await runDivided(one, slow, DIVISIONS[0]), reference, 1e-5);
  });
});

describe('what does not add up is refused', () => {
  const CASES: Array<[string, ParityCase, RegExp]> = [
    [
      'validMeanAsNumber',
      caseOf(exported.validMeanAsNumber),
      /the loss 'validMeanAsNumber' does not/,
    ],
    ['batchSum', caseOf(exported.batchSum), /the loss 'batchSum' does not add up/],
    ['countsOutputs', caseOf(exported.countsOutputs), /count of the loss 'countsOutputs' depends/],
    [
      'largest',
      caseOf('meanSquaredError', [exported.largest]),
      /the metric 'largest' does not add up/,
    ],
  ];
  for (const [name, one, message] of CASES) {
    it.each(SOME)(`${name}: %s`, async (...division) => {
      const model = one.model(sgd());
      const before = weightsOf(model);
      const error = await refusal(
        runDivided({...one, model: () => model}, sgd, division, {modules: modules(name)}),
      );
      expect(error.code).toBe('BAD_MODEL');
      expect(error.message).toMatch(message);
      expect(weightsOf(model)).toEqual(before);
    });
  }

  it.each(['batchSum', 'validMeanAsNumber', 'largest'])(
    '%s trains undivided as in fit',
    async (name) => {
      const one = caseOf(exported[name]);
      const slow = () => tf.train.sgd(1e-3);
      const reference = await runFit(one, one.model(slow()), 1);
      const actual = await runTrain(one, one.model(slow()), 1, {modules: modules(name)});
      expectSameRun(actual, reference, 1e-5);
    },
  );

  it.each([
    ['pipelineParallel', 'batchSum'],
    ['tensorParallel', 'countsOutputs'],
  ] as const)('%s without micro-batches does not divide a batch: %s', async (kind, name) => {
    const one = caseOf(exported[name]);
    const quotient = name === 'batchSum' ? one : caseOf(sumOverCount(exported.countsOutputs));
    const reference = await runFit(quotient, quotient.model(tf.train.sgd(1e-3)), 1);
    const strategy = {kind, microBatches: 1};
    const options = {devices: 2, strategy, modules: modules(name)};
    const actual = await runParallel(one, one.model(tf.train.sgd(1e-3)), 1, options);
    expectSameRun(actual, reference, 1e-5);
  });

  it('in the worker before a step, if it opens the data', async () => {
    const model = caseOf(exported.batchSum).model(sgd());
    const before = weightsOf(model);
    const error = await refusal(
      train(
        model,
        {module: fixture, export: 'open', args: {samples: 10}},
        {batchSize: 5, microBatches: 2, verbose: 0, modules: modules('batchSum')},
      ),
    );
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toMatch(/the loss 'batchSum' does not add up/);
    expect(weightsOf(model)).toEqual(before);
  });

  it('an output without a loss', async () => {
    const x = tf.input({shape: [3]});
    const model = tf.model({
      inputs: x,
      outputs: ['a', 'b'].map(
        (name) => tf.layers.dense({units: 4, name}).apply(x) as tf.SymbolicTensor,
      ),
    });
    model.compile({optimizer: 'sgd', loss: {a: 'meanSquaredError'}});
    const error = await refusal(
      train(model, {xs: data.xs, ys: [data.ys[0], data.ys[0]]}, {verbose: 0}),
    );
    expect([error.code, error.message.includes("output 'b'")]).toEqual(['BAD_MODEL', true]);
  });
});
