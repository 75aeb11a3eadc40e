/**
 * Meshes equal one device: products of the axes, ZeRO on the data axis, and whatever else a step
 * may have. More ranks than cores, so they take turns.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import type {TrainParallelOptions} from '#lib/config/options.js';
import {PENALTIES, POSITIONS, caseOf} from './cases';
import {
  BATCH,
  expectSameFirstGradients,
  expectSameRun,
  head,
  OPTIMIZERS,
  referenceRun,
  runParallel,
  runTrain,
  weightsOf,
  weightTolerance,
  type ParityCase,
} from './harness';

// The last batch has 5 samples: in 4 micro-batches, some replica has none of most.
const FEW = 4 * BATCH + 5;
const text = (more: object = {}): ParityCase =>
  head(
    {
      ...caseOf('transformer'),
      model: (optimizer) =>
        transformer({
          layers: 2,
          hidden: 16,
          heads: 2,
          vocab: 20,
          sequence: 6,
          seed: 1,
          optimizer,
          ...more,
        }),
    },
    FEW,
  );
const TIED = {tied: true};
type Fields = Extract<TrainParallelOptions['strategy'], {mesh: unknown}>;

const size = ({data = 1, tensor = 1, pipeline = 1}: Fields['mesh']) => data * tensor * pipeline;

const RUNS: Array<[string, ParityCase, string, Fields, TrainParallelOptions?]> = [
  ['data x tensor', text(), 'sgd', {mesh: {data: 2, tensor: 2}}],
  [
    'data x tensor, zero 1, globalClipNorm',
    text(),
    'adam',
    {mesh: {data: 2, tensor: 2}, zero: 1},
    {globalClipNorm: 0.3},
  ],
  [
    'data x tensor, zero 2, micro-batches',
    text(TIED),
    'momentum',
    {mesh: {data: 2, tensor: 2}, zero: 2, microBatches: 4},
  ],
  [
    'data x tensor, zero 3, recompute, sequenceParallel, dropout',
    text({dropout: 0.2}),
    'adam',
    {
      mesh: {data: 2, tensor: 2},
      zero: 3,
      recompute: 'block',
      sequenceParallel: true,
      microBatches: 2,
    },
  ],
  [
    'data x tensor, uneven parts',
    head(caseOf('convnet'), FEW),
    'rmsprop',
    {mesh: {data: 2, tensor: 3}},
  ],
  [
    'data x tensor, penalties',
    PENALTIES,
    'sgd',
    {mesh: {data: 2, tensor: 2}, zero: 1},
    {globalClipNorm: 0.3},
  ],
  [
    'data x tensor, sequenceParallel, penalties',
    POSITIONS,
    'sgd',
    {mesh: {data: 2, tensor: 2}, sequenceParallel: true},
  ],
  [
    'data x pipeline, 1f1b',
    text({dropout: 0.2}),
    'adam',
    {mesh: {data: 2, pipeline: 2}, schedule: '1f1b', microBatches: 4},
    {globalClipNorm: 0.3},
  ],
  [
    'data x pipeline, interleaved, zero 1',
    text(),
    'adagrad',
    {mesh: {data: 2, pipeline: 2}, schedule: 'interleaved-1f1b', microBatches: 4, zero: 1},
  ],
  [
    'data x pipeline, gpipe, zero 2',
    text(TIED),
    'momentum',
    {mesh: {data: 2, pipeline: 2}, schedule: 'gpipe', microBatches: 4, zero: 2},
  ],
  [
    'data x pipeline, 1f1b, zero 3',
    text(TIED),
    'adam',
    {mesh: {data: 2, pipeline: 2}, schedule: '1f1b', microBatches: 4, zero: 3},
    {globalClipNorm: 0.3},
  ],
  [
    'data x pipeline, interleaved, zero 3, recompute',
    text(),
    'adamax',
    {
      mesh: {data: 2, pipeline: 2},
      schedule: 'interleaved-1f1b',
      microBatches: 4,
      zero: 3,
      recompute: 'stage',
    },
  ],
  [
    'data x pipeline, zero-bubble, zero 1',
    text(),
    'nesterov',
    {mesh: {data: 2, pipeline: 2}, schedule: 'zero-bubble', microBatches: 4, zero: 1},
  ],
  [
    'data x pipeline, batch norm',
    head(caseOf('batch norm'), FEW),
    'sgd',
    {mesh: {data: 2, pipeline: 2}, schedule: '1f1b', microBatches: 4},
  ],
  [
    'data x pipeline, penalties and validation',
    PENALTIES,
    'sgd',
    {mesh: {data: 2, pipeline: 2}, schedule: 'gpipe', microBatches: 2, zero: 3},
    {globalClipNorm: 0.3},
  ],
  [
    'tensor x pipeline, sequenceParallel, a tied head',
    text({...TIED, dropout: 0.2}),
    'adam',
    {mesh: {tensor: 2, pipeline: 2}, microBatches: 4, sequenceParallel: true},
  ],
  [
    'tensor x pipeline, cut between a column layer and its row, uneven parts',
    head(caseOf('mlp'), FEW),
    'momentum',
    {
      mesh: {tensor: 3, pipeline: 2},
      splitAt: ['hidden_1'],
      layout: {hidden_0: 'column', hidden_1: 'row'},
      microBatches: 2,
    },
  ],
  [
    'tensor x pipeline, zero-bubble',
    text(),
    'sgd',
    {mesh: {tensor: 2, pipeline: 2}, schedule: 'zero-bubble', microBatches: 4},
  ],
  [
    'tensor x pipeline, penalties and validation',
    PENALTIES,
    'sgd',
    {
      mesh: {tensor: 2, pipeline: 2},
      splitAt: ['out'],
      microBatches: 2,
      layout: {up: 'column', down: 'row'},
    },
    {globalClipNorm: 0.3},
  ],
  ['all three', text(), 'sgd', {mesh: {data: 2, tensor: 2, pipeline: 2}, microBatches: 2}],
  [
    'all three, zero 1',
    text({dropout: 0.2}),
    'adam',
    {mesh: {data: 2, tensor: -1, pipeline: 2}, microBatches: 4, zero: 1},
    {globalClipNorm: 0.3},
  ],
  [
    'all three, zero 3, sequenceParallel, a tied head',
    text(TIED),
    'adam',
    {mesh: {data: 2, tensor: 2, pipeline: 2}, microBatches: 2, zero: 3, sequenceParallel: true},
  ],
];

/** Those that are run each time; with MANY_HANDS_FULL=1 all are. */
const STORED = [
  'data x tensor',
  'data x tensor, zero 2, micro-batches',
  'data x tensor, zero 3, recompute, sequenceParallel, dropout',
  'data x pipeline, 1f1b',
  'data x pipeline, interleaved, zero 1',
  'data x pipeline, 1f1b, zero 3',
  'data x pipeline, batch norm',
  'tensor x pipeline, sequenceParallel, a tied head',
  'tensor x pipeline, cut between a column layer and its row, uneven parts',
  'all three, zero 3, sequenceParallel, a tied head',
];
const stored = process.env.MANY_HANDS_FULL ? RUNS : RUNS.filter(([name]) => STORED.includes(name));

describe('a mesh equals train', () => {
  it.each(stored)('%s', async (_, one, optimizer, strategy, options = {}) => {
    const microBatches = strategy.microBatches ?? 1;
    const reference = await referenceRun(one, OPTIMIZERS[optimizer], {
      ...options,
      microBatches,
    } as object);
    const devices = strategy.mesh.tensor === -1 ? 8 : size(strategy.mesh);
    const actual = await runParallel(one, one.model(OPTIMIZERS[optimizer]()), 1, {
      devices,
      ...options,
      strategy,
    });
    expectSameRun(actual, reference, weightTolerance(optimizer));
    expect(actual.result.devices).toHaveLength(devices);
  });

  it("step 1's gradients, 2 x 2 and 2 x 2 x 2", async () => {
    const one = head(text(TIED), BATCH);
    const initial = one.model(tf.train.sgd(1));
    const weights = weightsOf(initial);
    const reference = await referenceRun(one, () => tf.train.sgd(1), {microBatches: 2});
    for (const mesh of [
      {data: 2, tensor: 2},
      {data: 2, pipeline: 2},
      {tensor: 2, pipeline: 2},
      {data: 2, tensor: 2, pipeline: 2},
    ]) {
      expectSameFirstGradients(
        await runParallel(one, one.model(tf.train.sgd(1)), 1, {
          devices: size(mesh),
          strategy: {mesh, microBatches: 2},
        }),
        reference,
        weights,
      );
    }
  });

  it("going on with the optimizer's state, from plain train to a mesh with zero and on to another", async () => {
    const one = head(text(TIED), 2 * BATCH);
    const [reference, actual] = [one.model(OPTIMIZERS.adam()), one.model(OPTIMIZERS.adam())];
    for (let i = 0; i < 3; i++) await runTrain(one, reference, 1);
    await runTrain(one, actual, 1);
    await runParallel(one, actual, 1, {
      devices: 4,
      strategy: {mesh: {data: 2, pipeline: 2}, zero: 3, microBatches: 1},
    });
    const last = await runParallel(one, actual, 1, {
      devices: 4,
      strategy: {mesh: {data: 2, tensor: 2}, zero: 1},
    });
    expectSameRun(last, {...last, weights: weightsOf(reference)}, 1e-4);
  });
});
