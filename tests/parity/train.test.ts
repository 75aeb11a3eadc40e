import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {COURSE_CASES, SHAPE_CASES} from './cases';
import {
  expectSameFirstGradients,
  expectSameRun,
  OPTIMIZERS,
  runFit,
  runTrain,
  weightsOf,
  weightTolerance,
  type ParityCase,
} from './harness';

const all = [...COURSE_CASES, ...SHAPE_CASES];
const names = Object.keys(OPTIMIZERS);

/**
 * Every model with one optimizer, every optimizer with the first model; `npm run test:full` takes
 * the whole product.
 */
const pairs: Array<[ParityCase, string]> = process.env.MANY_HANDS_FULL
  ? all.flatMap((one) => names.map((name): [ParityCase, string] => [one, name]))
  : [
      ...all.map((one, i): [ParityCase, string] => [one, names[i % names.length]]),
      ...names.map((name): [ParityCase, string] => [all[0], name]),
    ];

describe('train equals model.fit(shuffle: false)', () => {
  for (const [one, name] of pairs) {
    it(`${one.name}, ${name}: 20 steps`, async () => {
      const reference = await runFit(one, one.model(OPTIMIZERS[name]()), 1);
      const actual = await runTrain(one, one.model(OPTIMIZERS[name]()), 1);
      expectSameRun(actual, reference, weightTolerance(name));
    });
  }

  for (const one of all) {
    it(`${one.name}: step 1's gradients`, async () => {
      const size = one.batchSize;
      const head = (arrays: ParityCase['data']['xs']) =>
        arrays.map(({values, shape, scale}) => ({
          values: values.slice(0, (values.length / shape[0]) * size),
          shape: [size, ...shape.slice(1)],
          scale,
        }));
      const first = {
        ...one,
        options: {...one.options, validationSplit: 0},
        data: {xs: head(one.data.xs), ys: head(one.data.ys)},
      };
      const initial = one.model(tf.train.sgd(1));
      const weights = weightsOf(initial);
      const reference = await runFit(first, initial, 1);
      expectSameFirstGradients(
        await runTrain(first, one.model(tf.train.sgd(1)), 1),
        reference,
        weights,
      );
    });
  }

  it('over several epochs, going on with the optimizer state of the run before', async () => {
    const [one] = COURSE_CASES;
    const reference = one.model(tf.train.adam(0.002));
    const actual = one.model(tf.train.adam(0.002));
    await runFit(one, reference, 2);
    await runTrain(one, actual, 2);
    expectSameRun(await runTrain(one, actual, 1), await runFit(one, reference, 1), 1e-4);
  });
});

describe('train is repeatable', () => {
  it('to the bit on one thread, with dropout and shuffling', async () => {
    const {transformer} = await import('#lib/models/index.js');
    const one = {
      ...COURSE_CASES[3],
      model: (optimizer: tf.Optimizer) =>
        transformer({
          layers: 1,
          hidden: 16,
          heads: 2,
          vocab: 20,
          sequence: 6,
          dropout: 0.3,
          seed: 1,
          optimizer,
        }),
    };
    const run = (seed: number) =>
      runTrain(one, one.model(tf.train.adam(0.01)), 2, {shuffle: true, seed});
    const [first, second, other] = [await run(5), await run(5), await run(6)];
    expect(second.losses).toEqual(first.losses);
    expect(second.weights).toEqual(first.weights);
    expect(other.losses).not.toEqual(first.losses);
  });

  it('micro-batches of any number, uneven ones too, equal the whole batch', async () => {
    const [one] = COURSE_CASES;
    const whole = await runTrain(one, one.model(tf.train.sgd(0.05)), 1);
    for (const microBatches of [2, 3, 8]) {
      expectSameRun(
        await runTrain(one, one.model(tf.train.sgd(0.05)), 1, {microBatches}),
        whole,
        1e-5,
      );
    }
  });

  it('a dropout mask does not depend on how the batch is divided', async () => {
    const {mlp} = await import('#lib/models/index.js');
    const one = {
      ...COURSE_CASES[0],
      model: (optimizer: tf.Optimizer) =>
        mlp({inputShape: [12], units: [16], classes: 5, dropout: 0.5, seed: 1, optimizer}),
    };
    const run = (microBatches: number) =>
      runTrain(one, one.model(tf.train.sgd(0.05)), 1, {microBatches});
    expectSameRun(await run(4), await run(1), 1e-5);
  });
});
