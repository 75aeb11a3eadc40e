/** Tensor parallelism equals one device, whatever is divided. */
import {describe, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import type {StrategyFields, TrainParallelOptions} from '#lib/config/options.js';
import {PENALTIES, POSITIONS, caseOf} from './cases';
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

const TRANSFORMER = caseOf('transformer');
const small = (more: object) => (optimizer: tf.Optimizer) =>
  transformer({
    layers: 1,
    hidden: 16,
    heads: 2,
    vocab: 20,
    sequence: 6,
    seed: 1,
    optimizer,
    ...more,
  });

function divided(
  one: ParityCase,
  optimizer: () => tf.Optimizer,
  devices: number,
  strategy: StrategyFields = {},
  options: TrainParallelOptions = {},
): Promise<Run> {
  return runParallel(one, one.model(optimizer()), 1, {
    devices,
    ...options,
    strategy: {kind: 'tensorParallel', ...strategy},
  });
}

describe('tensorParallel equals train', () => {
  const names = Object.keys(OPTIMIZERS);
  const runs: Array<[string, number, StrategyFields]> = [
    ['mlp', 2, {}],
    ['mlp', 3, {layout: {hidden_0: 'column', hidden_1: 'row'}}],
    ['convnet', 2, {}],
    ['convnet', 3, {}],
    ['driving net', 4, {}],
    ['transformer', 2, {}],
    ['transformer', 3, {}],
    ['transformer', 4, {}],
    ['transformer with a tied', 2, {}],
    ['transformer with a tied', 2, {layout: {'block_*/up': 'column', 'block_*/down': 'row'}}],
    ['a masked embedding', 3, {}],
    ['batch norm', 2, {}],
  ];
  runs.forEach(([name, devices, strategy], i) => {
    const optimizer = names[i % names.length];
    it(`${name}, ${devices} ranks, ${optimizer}`, async () => {
      const one = shorter(caseOf(name));
      const reference = await referenceRun(one, OPTIMIZERS[optimizer]);
      expectSameRun(
        await divided(one, OPTIMIZERS[optimizer], devices, strategy),
        reference,
        weightTolerance(optimizer),
      );
    });
  });

  it("step 1's gradients, 2 to 4 ranks", async () => {
    const one = head(TRANSFORMER, BATCH);
    const initial = one.model(tf.train.sgd(1));
    const weights = weightsOf(initial);
    const reference = await referenceRun(one, () => tf.train.sgd(1));
    for (const devices of [2, 3, 4])
      expectSameFirstGradients(
        await divided(one, () => tf.train.sgd(1), devices),
        reference,
        weights,
      );
  });

  it('with penalties and validation, odd widths, globalClipNorm', async () => {
    const reference = await referenceRun(PENALTIES, OPTIMIZERS.sgd, {
      globalClipNorm: 0.3,
    });
    expectSameRun(
      await divided(
        PENALTIES,
        OPTIMIZERS.sgd,
        3,
        {layout: {up: 'column', down: 'row'}},
        {globalClipNorm: 0.3},
      ),
      reference,
      1e-5,
    );
  });

  it('in micro-batches, computed again, with dropout and shuffling', async () => {
    const one = head({...TRANSFORMER, model: small({dropout: 0.3})}, FEW);
    const options: TrainParallelOptions = {shuffle: true, seed: 5, microBatches: 2};
    const reference = await referenceRun(one, OPTIMIZERS.adam, options as object);
    expectSameRun(await divided(one, OPTIMIZERS.adam, 2, {}, options), reference, 1e-4);
    expectSameRun(
      await divided(one, OPTIMIZERS.adam, 2, {recompute: 'block'}, options),
      reference,
      1e-4,
    );
  });

  describe('with sequenceParallel', () => {
    const sequence = {sequenceParallel: true};
    const runs: Array<[string, ParityCase, number, string, StrategyFields, TrainParallelOptions]> =
      [
        ['a transformer', head(TRANSFORMER, FEW), 2, 'sgd', {}, {globalClipNorm: 0.3}],
        ['three ranks', head(TRANSFORMER, FEW), 3, 'adam', {}, {}],
        ['a tied head', head(caseOf('transformer with a tied'), FEW), 2, 'momentum', {}, {}],
        [
          'some of it divided',
          head(TRANSFORMER, FEW),
          2,
          'sgd',
          {layout: {'block_1/up': 'column', 'block_1/down': 'row'}},
          {},
        ],
        [
          'a layer that needs all positions',
          head(caseOf('a masked embedding'), FEW),
          2,
          'adam',
          {},
          {},
        ],
        [
          'dropout, micro-batches, recompute',
          head({...TRANSFORMER, model: small({dropout: 0.3})}, FEW),
          2,
          'adam',
          {},
          {shuffle: true, seed: 5, microBatches: 2, recompute: 'block'},
        ],
        ['penalties, one tensor twice, validation', POSITIONS, 2, 'sgd', {}, {}],
      ];
    it.each(runs)('%s', async (_, one, devices, optimizer, strategy, options) => {
      const reference = await referenceRun(one, OPTIMIZERS[optimizer], options as object);
      expectSameRun(
        await divided(one, OPTIMIZERS[optimizer], devices, {...sequence, ...strategy}, options),
        reference,
        weightTolerance(optimizer),
      );
    });
  });

  it("going on with the optimizer's state of the run before, from and to plain train", async () => {
    const one = head({...TRANSFORMER, model: small({})}, 3 * BATCH);
    const [reference, actual] = [one.model(OPTIMIZERS.adam()), one.model(OPTIMIZERS.adam())];
    await runTrain(one, reference, 1);
    await runParallel(one, actual, 1, {devices: 2, strategy: 'tensorParallel'});
    await runTrain(one, reference, 1);
    await runTrain(one, actual, 1);
    expectSameRun(
      await runParallel(one, actual, 1, {devices: 2, strategy: 'tensorParallel'}),
      await runTrain(one, reference, 1),
      1e-4,
    );
  });
});
