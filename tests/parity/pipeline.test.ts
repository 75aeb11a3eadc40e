/** A pipeline equals one device that walks the same micro-batches, whatever its schedule. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import {schedule} from '#lib/pipelineParallel/schedule.js';
import {SCHEDULE_NAMES, type ScheduleName} from '#lib/pipelineParallel/namedSchedules.js';
import type {StrategyFields, TrainParallelOptions} from '#lib/config/options.js';
import {COURSE_CASES, caseOf} from './cases';
import {
  BATCH,
  expectSameFirstGradients,
  expectSameRun,
  FEW,
  head,
  OPTIMIZERS,
  referenceRun,
  runParallel,
  runTrain,
  shorter,
  weightsOf,
  weightTolerance,
  type ParityCase,
  type Run,
} from './harness';

const DEEP: ParityCase = {
  ...COURSE_CASES[0],
  name: 'eight layers',
  model: (optimizer) => {
    const model = tf.sequential({name: 'deep'});
    for (let i = 0; i < 8; i++) {
      const last = i === 7;
      model.add(
        tf.layers.dense({
          name: `dense_${i}`,
          units: last ? 5 : 12,
          activation: last ? 'softmax' : 'relu',
          ...(i === 0 ? {inputShape: [12]} : {}),
          kernelInitializer: tf.initializers.heNormal({seed: 11 + i}),
        }),
      );
    }
    model.compile({optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy']});
    return model;
  },
};

function piped(
  one: ParityCase,
  optimizer: () => tf.Optimizer,
  devices: number,
  strategy: StrategyFields,
  options: TrainParallelOptions = {},
): Promise<Run> {
  return runParallel(one, one.model(optimizer()), 1, {
    devices,
    ...options,
    strategy: {kind: 'pipelineParallel', ...strategy},
  });
}

/**
 * Every schedule, 2 to 4 stages, every number of micro-batches up to 8 that it takes, and the
 * optimizers in turn.
 */
const product = SCHEDULE_NAMES.flatMap((name) =>
  [2, 3, 4].flatMap((devices) =>
    [1, 2, 3, 4, 5, 6, 7, 8].flatMap(
      (microBatches): Array<[ScheduleName, number, number]> =>
        name === 'interleaved-1f1b' && microBatches % devices !== 0
          ? []
          : [[name, devices, microBatches]],
    ),
  ),
);
/**
 * `npm run test:full` takes all; else every schedule with every number of stages, and every number
 * of micro-batches.
 */
const stored = process.env.MANY_HANDS_FULL
  ? product
  : product.filter(([name, devices, microBatches]) => {
      const place = SCHEDULE_NAMES.indexOf(name) + devices;
      return name === 'interleaved-1f1b'
        ? microBatches === (devices === 2 ? 4 : devices)
        : microBatches === 1 + ((3 * place + 7 * devices) % 8);
    });

describe('a pipeline equals train', () => {
  const optimizers = Object.keys(OPTIMIZERS);
  stored.forEach(([name, devices, microBatches], i) => {
    const optimizer = optimizers[i % optimizers.length];
    const steps = process.env.MANY_HANDS_FULL ? 20 : 7;
    it(`${name}, ${devices} stages, ${microBatches} micro-batches, ${optimizer}: ${steps} steps`, async () => {
      const one = shorter(DEEP);
      const reference = await referenceRun(one, OPTIMIZERS[optimizer], {microBatches});
      expectSameRun(
        await piped(one, OPTIMIZERS[optimizer], devices, {schedule: name, microBatches}),
        reference,
        weightTolerance(optimizer),
      );
    });
  });

  const models: Array<[string, number, StrategyFields]> = [
    ['convnet', 3, {schedule: '1f1b', microBatches: 4}],
    ['driving net', 2, {schedule: 'zero-bubble', microBatches: 3}],
    ['transformer', 4, {schedule: '1f1b', microBatches: 8}],
    ['transformer', 2, {schedule: 'zero-bubble', microBatches: 4}],
    ['transformer with a tied', 2, {schedule: 'gpipe', microBatches: 3}],
    ['transformer with a tied', 3, {schedule: 'zero-bubble', microBatches: 4}],
    ['one layer used twice', 2, {schedule: '1f1b', microBatches: 2}],
    ['a model inside', 3, {schedule: 'zero-bubble', microBatches: 3}],
    ['batch norm', 3, {schedule: '1f1b', microBatches: 2}],
    ['batch norm', 2, {schedule: 'interleaved-1f1b', microBatches: 2}],
    ['a masked embedding', 2, {schedule: 'gpipe', microBatches: 4}],
    ['two inputs, two outputs', 2, {schedule: '1f1b', microBatches: 3}],
    ['class weights', 2, {schedule: '1f1b', microBatches: 4}],
  ];
  for (const [name, devices, strategy] of models) {
    it(`${name}, ${devices} stages by ${strategy.schedule as string}`, async () => {
      const one = name.startsWith('a masked') ? caseOf(name) : head(caseOf(name), FEW);
      const reference = await referenceRun(one, OPTIMIZERS.adam, {
        microBatches: strategy.microBatches,
      });
      expectSameRun(await piped(one, OPTIMIZERS.adam, devices, strategy), reference, 1e-4);
    });
  }

  it("step 1's gradients, by every schedule", async () => {
    const one = head(caseOf('transformer with a tied'), BATCH);
    const initial = one.model(tf.train.sgd(1));
    const weights = weightsOf(initial);
    const reference = await referenceRun(one, () => tf.train.sgd(1), {microBatches: 4});
    for (const name of SCHEDULE_NAMES)
      expectSameFirstGradients(
        await piped(one, () => tf.train.sgd(1), 2, {schedule: name, microBatches: 4}),
        reference,
        weights,
      );
  });

  it('whatever is computed again: a stage, a block, a layer', async () => {
    const one = head(caseOf('transformer'), FEW);
    const reference = await referenceRun(one, OPTIMIZERS.adam, {microBatches: 4});
    for (const [recompute, name] of [
      ['stage', 'gpipe'],
      ['stage', 'zero-bubble'],
      ['block', '1f1b'],
      [['head'], 'gpipe'],
    ] as const) {
      expectSameRun(
        await piped(one, OPTIMIZERS.adam, 2, {
          schedule: name,
          microBatches: 4,
          recompute: recompute as 'stage',
        }),
        reference,
        1e-4,
      );
    }
  });

  it('with globalClipNorm over all stages, tied weights counted once', async () => {
    const one = head(caseOf('transformer with a tied'), FEW);
    const reference = await referenceRun(one, OPTIMIZERS.sgd, {
      microBatches: 2,
      globalClipNorm: 0.2,
    });
    expectSameRun(
      await piped(one, OPTIMIZERS.sgd, 3, {microBatches: 2}, {globalClipNorm: 0.2}),
      reference,
      1e-5,
    );
  });

  it('with dropout, shuffling and validation', async () => {
    const one = {
      ...caseOf('transformer'),
      options: {validationSplit: 0.25},
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
    const reference = await referenceRun(one, OPTIMIZERS.sgd, {
      microBatches: 3,
      ...options,
    });
    expectSameRun(await piped(one, OPTIMIZERS.sgd, 3, {microBatches: 3}, options), reference, 1e-5);
  });

  it('with penalties on weights and validation, each counted once', async () => {
    const one = {...caseOf('a model inside'), options: {validationSplit: 0.25}};
    const reference = await referenceRun(one, OPTIMIZERS.sgd, {microBatches: 2});
    expectSameRun(await piped(one, OPTIMIZERS.sgd, 2, {microBatches: 2}), reference, 1e-5);
  });

  it('cut where it is told to, or by any balance', async () => {
    const one = head(caseOf('transformer'), 3 * BATCH);
    const reference = await referenceRun(one, OPTIMIZERS.adam, {microBatches: 2});
    for (const fields of [
      {splitAt: ['block_1']},
      {splitAt: ['block_0/norm_2']},
      {balance: 'measured'},
      {balance: 'memory'},
      {balance: 'layers'},
    ] as StrategyFields[]) {
      const run = await piped(one, OPTIMIZERS.adam, 2, {microBatches: 2, ...fields});
      expectSameRun(run, reference, 1e-4);
      if (fields.splitAt) expect(run.result.plan.splitAt).toEqual(fields.splitAt);
    }
  });

  it('by a schedule of the caller', async () => {
    const one = head(DEEP, FEW);
    const reference = await referenceRun(one, OPTIMIZERS.adam, {microBatches: 3});
    const own = schedule('mine', ['F1 F2 B1 F3 I2 B3 W2', 'F1 B1 F2 F3 B2 I3 W3']);
    const run = await piped(one, OPTIMIZERS.adam, 2, {schedule: own});
    expectSameRun(run, reference, 1e-4);
    expect(run.result.plan.microBatches).toBe(3);
  });

  it("going on with the optimizer's state of the run before, from and to plain train", async () => {
    const one = head(DEEP, FEW);
    const [reference, actual] = [one.model(OPTIMIZERS.adam()), one.model(OPTIMIZERS.adam())];
    const options = {microBatches: 2};
    await runTrain(one, reference, 1, options);
    await runParallel(one, actual, 1, {
      devices: 3,
      strategy: {kind: 'pipelineParallel', ...options},
    });
    await runTrain(one, reference, 1, options);
    await runTrain(one, actual, 1, options);
    const expected = await runTrain(one, reference, 1, options);
    expectSameRun(
      await runParallel(one, actual, 1, {
        devices: 2,
        strategy: {kind: 'pipelineParallel', ...options},
      }),
      expected,
      1e-4,
    );
  });

  it('repeats to the bit', async () => {
    const one = head(DEEP, FEW);
    const [first, second] = [
      await piped(one, OPTIMIZERS.adam, 2, {microBatches: 4}),
      await piped(one, OPTIMIZERS.adam, 2, {microBatches: 4}),
    ];
    expect(second.weights).toEqual(first.weights);
  });
});
