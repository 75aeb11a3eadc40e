/** Validation lists the numbers that fit lists, however a batch is divided. */
import {describe, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {Random} from '#lib/base/random.js';
import {PENALTIES} from '../parity/cases';
import {expectSameRun, head, type ParityCase} from '../parity/harness';
import {DIVISIONS, exported, fitOnce, KINDS, modules, runDivided} from './divisions';

const SAMPLES = 18;
const random = new Random(5);
const floats = (...shape: number[]) => ({
  values: Float32Array.from({length: tf.util.sizeFromShape(shape)}, () => random.uniform() * 2 - 1),
  shape,
});
const integers = (least: number, most: number, ...shape: number[]) => ({
  values: Float32Array.from(
    {length: tf.util.sizeFromShape(shape)},
    () => least + random.integer(most - least + 1),
  ),
  shape,
});
const sgd = () => tf.train.sgd(0.02);

const twoTargets = {
  xs: [floats(SAMPLES, 4)],
  ys: [integers(-1, 1, SAMPLES, 3), integers(-1, 2, SAMPLES, 1)],
};

/** Two outputs: one of padded targets, and one of classes, some of which are ignored. */
const twoOutputs = (loss: unknown): ParityCase => ({
  name: 'two outputs',
  data: twoTargets,
  batchSize: 5,
  options: {validationSplit: 0.4},
  model: (optimizer) => {
    const dense = (name: string, units: number, activation: 'tanh' | 'softmax' | 'linear') =>
      tf.layers.dense({
        name,
        units,
        activation,
        kernelInitializer: tf.initializers.glorotUniform({seed: units}),
      });
    const inputs = tf.input({shape: [4], name: 'x'});
    const up = dense('up', 6, 'tanh').apply(inputs);
    const hidden = dense('down', 5, 'tanh').apply(up);
    const outputs = [
      dense('padded', 3, 'linear').apply(hidden) as tf.SymbolicTensor,
      dense('classes', 4, 'softmax').apply(hidden) as tf.SymbolicTensor,
    ];
    const model = tf.model({inputs, outputs, name: 'outputs'});
    model.compile({
      optimizer,
      loss: {padded: loss as string, classes: 'sparseCategoricalCrossentropy'},
      metrics: {
        padded: [exported.near, tf.metrics.r2Score],
        classes: 'accuracy',
      } as object as string[],
    });
    return model;
  },
});

describe('validation lists what fit lists', () => {
  const quotient = twoOutputs(exported.validMean);
  const raw = twoOutputs(exported.validParts);
  const ofTwo = fitOnce(quotient, sgd, 2);
  it.each(DIVISIONS)('two outputs, a loss and metrics from counts: %s', async (...division) => {
    const options = {modules: modules('validParts', 'near')};
    expectSameRun(await runDivided(raw, sgd, division, options, 2), await ofTwo(), 1e-5);
  });

  const penalties = head(PENALTIES, 21);
  penalties.options = PENALTIES.options;
  const penalized = fitOnce(penalties, sgd, 1);
  it.each(KINDS)('without the penalties on weights: %s', async (...division) => {
    expectSameRun(await runDivided(penalties, sgd, division), await penalized(), 1e-5);
  });
});
