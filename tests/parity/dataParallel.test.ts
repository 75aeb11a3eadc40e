import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {COURSE_CASES, SHAPE_CASES} from './cases';
import {
  expectSameFirstGradients,
  expectSameRun,
  head,
  OPTIMIZERS,
  referenceRun,
  runParallel,
  runTrain,
  shorter,
  weightsOf,
  weightTolerance,
  type ParityCase,
} from './harness';

const all = [...COURSE_CASES, ...SHAPE_CASES];
const names = Object.keys(OPTIMIZERS);
const NORMS = SHAPE_CASES.find((one) => one.name.startsWith('batch norm'))!;

/**
 * Every model and every optimizer, the ranks in turn; `npm run test:full` takes the whole product.
 */
const pairs: Array<[ParityCase, string, number]> = process.env.MANY_HANDS_FULL
  ? all.flatMap((one) =>
      names.flatMap((name) =>
        [2, 3, 4].map((ranks): [ParityCase, string, number] => [one, name, ranks]),
      ),
    )
  : [
      ...all.map((one, i): [ParityCase, string, number] => [
        one,
        names[(i + 5) % names.length],
        2 + (i % 3),
      ]),
      ...names.map((name, i): [ParityCase, string, number] => [all[0], name, 2 + (i % 3)]),
    ];

describe('trainParallel with dataParallel equals train', () => {
  for (const [whole, name, devices] of pairs) {
    const one = shorter(whole);
    it(`${one.name}, ${name}, ${devices} ranks`, async () => {
      const reference = await referenceRun(one, OPTIMIZERS[name]);
      const actual = await runParallel(one, one.model(OPTIMIZERS[name]()), 1, {devices});
      expectSameRun(actual, reference, weightTolerance(name));
    });
  }

  for (const one of all) {
    it(`${one.name}, 3 ranks: step 1's gradients`, async () => {
      const first = head(one, one.batchSize);
      const initial = one.model(tf.train.sgd(1));
      const weights = weightsOf(initial);
      const reference = await referenceRun(first, () => tf.train.sgd(1));
      expectSameFirstGradients(
        await runParallel(first, one.model(tf.train.sgd(1)), 1, {devices: 3}),
        reference,
        weights,
      );
    });
  }

  it('to the bit on one device', async () => {
    for (const one of [COURSE_CASES[0], NORMS]) {
      const reference = await referenceRun(one, () => tf.train.adam(0.01));
      const actual = await runParallel(one, one.model(tf.train.adam(0.01)), 1, {devices: 1});
      expect(actual.losses).toEqual(reference.losses);
      expect(actual.weights).toEqual(reference.weights);
    }
  });

  it('where a rank has no sample of the last batch, batch norm included', async () => {
    for (const one of [COURSE_CASES[0], NORMS]) {
      const few = head(one, one.batchSize * 3 + 2);
      const reference = await referenceRun(few, () => tf.train.sgd(0.05), {}, 2);
      expectSameRun(
        await runParallel(few, few.model(tf.train.sgd(0.05)), 2, {devices: 4}),
        reference,
        1e-5,
      );
    }
  });

  it('with micro-batches, each normalized over all ranks, some of them empty on a rank', async () => {
    for (const microBatches of [2, 3]) {
      const few = head(NORMS, NORMS.batchSize * 3 + 5);
      const reference = await referenceRun(few, () => tf.train.sgd(0.05), {microBatches}, 2);
      expectSameRun(
        await runParallel(few, few.model(tf.train.sgd(0.05)), 2, {devices: 4, microBatches}),
        reference,
        1e-5,
      );
    }
  });

  it('with globalClipNorm, and with buckets of any size', async () => {
    const [one] = COURSE_CASES;
    const reference = await referenceRun(one, () => tf.train.sgd(0.05), {globalClipNorm: 0.2});
    for (const bucketBytes of [4, 1000, '64MiB']) {
      expectSameRun(
        await runParallel(one, one.model(tf.train.sgd(0.05)), 1, {
          devices: 2,
          bucketBytes,
          globalClipNorm: 0.2,
        }),
        reference,
        1e-5,
      );
    }
  });

  it('with dropout and shuffling, whoever draws which sample', async () => {
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
    const options = {shuffle: true, seed: 5};
    const reference = await referenceRun(one, () => tf.train.sgd(0.05), options);
    expectSameRun(
      await runParallel(one, one.model(tf.train.sgd(0.05)), 1, {devices: 3, ...options}),
      reference,
      1e-5,
    );
  });

  it('going on with the optimizer state of the run before', async () => {
    const [one] = COURSE_CASES;
    const [reference, actual] = [one.model(tf.train.adam(0.002)), one.model(tf.train.adam(0.002))];
    await runTrain(one, reference, 1);
    await runParallel(one, actual, 1, {devices: 2});
    expectSameRun(
      await runParallel(one, actual, 1, {devices: 2}),
      await runTrain(one, reference, 1),
      1e-4,
    );
  });
});

describe('trainParallel is repeatable', () => {
  it('to the bit from run to run, on one-thread workers', async () => {
    const run = () =>
      runParallel(NORMS, NORMS.model(tf.train.adam(0.01)), 1, {devices: 3, shuffle: true, seed: 3});
    const [first, second] = [await run(), await run()];
    expect(second.losses).toEqual(first.losses);
    expect(second.weights).toEqual(first.weights);
  });
});
