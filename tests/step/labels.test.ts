/** Class numbers that name no class, and targets that are no shares, count as in fit. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {quickLoss} from '#lib/step/fastLosses.js';
import {compiledModel} from '#lib/model/tfjsInternals.js';
import {Random} from '#lib/base/random.js';
import {expectSameRun, type ParityCase} from '../parity/harness';
import {fitOnce, KINDS, runDivided} from './divisions';

const CLASSES = 4;
/** Ignored labels, classes that the model does not have, and numbers between two classes. */
const LABELS = [0, 3, -1, 2, 4, 1.5, -0.5, 100, -100, 2.999, 1];

describe('the faster sparseCategoricalCrossentropy', () => {
  // tfjs exports it by name only.
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [1]})]});
  model.compile({optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy'});
  const [sparseCategoricalCrossentropy] = compiledModel(model).lossFunctions;
  const quick = quickLoss('sparseCategoricalCrossentropy', sparseCategoricalCrossentropy);
  const outputs: Array<[string, tf.Tensor]> = [
    ['shares', tf.softmax(tf.randomNormal([LABELS.length, CLASSES], 0, 1, 'float32', 1))],
    [
      'shares of 0 and 1',
      tf.oneHot(
        Int32Array.from(LABELS, (_, i) => i % CLASSES),
        CLASSES,
      ),
    ],
    [
      'shares that do not add up to 1',
      tf.randomUniform([LABELS.length, CLASSES], -1, 2, 'float32', 2),
    ],
  ];
  it.each(outputs)("equals tfjs's for %s", (_, shares) => {
    const target = tf.tensor2d(LABELS, [LABELS.length, 1]);
    const output = tf.cast(shares, 'float32');
    const [actual, expected] = [quick, sparseCategoricalCrossentropy].map((loss) =>
      tf.valueAndGrad((x) => tf.sum(loss(target, x)))(output),
    );
    const each = [quick, sparseCategoricalCrossentropy].map((loss) =>
      Array.from(loss(target, output).dataSync()),
    );
    each[0].forEach((value, i) => expect(value, `label ${LABELS[i]}`).toBeCloseTo(each[1][i], 5));
    const [a, b] = [actual, expected].map(({grad}) => grad.dataSync());
    const most = Math.max(...b.map(Math.abs));
    a.forEach((value, i) => expect(Math.abs(value - b[i])).toBeLessThanOrEqual(1e-5 * most));
  });
});

describe('labels that name no class', () => {
  const SAMPLES = 13;
  const STEPS = 3;
  const random = new Random(1);
  const sequences: ParityCase = {
    name: 'labels',
    model: (optimizer) => {
      const dense = (name: string, units: number, more: object) =>
        tf.layers.dense({
          name,
          units,
          kernelInitializer: tf.initializers.glorotUniform({seed: units}),
          ...more,
        });
      const model = tf.sequential();
      model.add(dense('first', 6, {inputShape: [STEPS, 2], activation: 'tanh'}));
      model.add(dense('second', 5, {activation: 'tanh'}));
      model.add(dense('out', CLASSES, {activation: 'softmax'}));
      model.compile({
        optimizer,
        loss: 'sparseCategoricalCrossentropy',
        metrics: ['accuracy', 'crossentropy'],
      });
      return model;
    },
    data: {
      xs: [
        {
          values: Float32Array.from({length: SAMPLES * STEPS * 2}, () => random.uniform()),
          shape: [SAMPLES, STEPS, 2],
        },
      ],
      ys: [
        {
          values: Float32Array.from({length: SAMPLES * STEPS}, (_, i) => LABELS[i % LABELS.length]),
          shape: [SAMPLES, STEPS, 1],
        },
      ],
    },
    batchSize: 5,
    options: {validationSplit: 0.3},
  };
  const sgd = () => tf.train.sgd(0.1);
  const reference = fitOnce(sequences, sgd, 1);
  it.each(KINDS)('count as in fit: %s', async (...division) => {
    expectSameRun(await runDivided(sequences, sgd, division), await reference(), 1e-5);
  });
});
