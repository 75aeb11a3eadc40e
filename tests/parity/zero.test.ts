/**
 * ZeRO and FSDP against `train`: the same training with less held and, in stage 3, half as much
 * again sent.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import type {TrainParallelOptions} from '#lib/config/options.js';
import {COURSE_CASES, SHAPE_CASES} from './cases';
import {
  expectSameRun,
  head,
  OPTIMIZERS,
  referenceRun,
  runParallel,
  runTrain,
  shorter,
  weightTolerance,
  type ParityCase,
} from './harness';

const STRATEGIES = ['zero1', 'zero2', 'fsdp'] as const;
const all = [...COURSE_CASES, ...SHAPE_CASES];
const names = Object.keys(OPTIMIZERS);
const NORMS = SHAPE_CASES.find((one) => one.name.startsWith('batch norm'))!;
const TEXT = COURSE_CASES[3];

type Pair = [ParityCase, string, number, (typeof STRATEGIES)[number]];
const pairs: Pair[] = process.env.MANY_HANDS_FULL
  ? all.flatMap((one) =>
      names.flatMap((name) =>
        [2, 3, 4].flatMap((ranks) =>
          STRATEGIES.map((strategy): Pair => [one, name, ranks, strategy]),
        ),
      ),
    )
  : [
      // Stage 3 does what the others do and more.
      ...all.map((one, i): Pair => [one, names[(3 * i) % names.length], 2 + (i % 3), 'fsdp']),
      ...all
        .slice(2, 4)
        .flatMap((one, i) =>
          STRATEGIES.slice(0, 2).map(
            (strategy, j): Pair => [one, names[(3 * i + j) % names.length], 3, strategy],
          ),
        ),
      ...names.map((name, i): Pair => [all[0], name, 3, STRATEGIES[i % 3]]),
    ];

// Six steps where twenty would show nothing more.
const SHORT = head(TEXT, 6 * TEXT.batchSize);

describe('trainParallel with divided state equals train', () => {
  for (const [whole, name, devices, strategy] of pairs) {
    const one = shorter(whole);
    it(`${strategy}: ${one.name}, ${name}, ${devices} ranks`, async () => {
      const reference = await referenceRun(one, OPTIMIZERS[name]);
      expectSameRun(
        await runParallel(one, one.model(OPTIMIZERS[name]()), 1, {devices, strategy}),
        reference,
        weightTolerance(name),
      );
    });
  }

  it('on one device, to the bit', async () => {
    const reference = await referenceRun(TEXT, () => tf.train.adam(0.01));
    const actual = await runParallel(TEXT, TEXT.model(tf.train.adam(0.01)), 1, {
      devices: 1,
      strategy: 'fsdp',
    });
    expect(actual.weights).toEqual(reference.weights);
  });

  for (const strategy of STRATEGIES) {
    const both = async (
      one: ParityCase,
      options: TrainParallelOptions,
      devices: number,
      optimizer: () => tf.Optimizer = OPTIMIZERS.adam,
    ) => {
      const {recompute, ...same} = options;
      const reference = await referenceRun(one, optimizer, same as object);
      expectSameRun(
        await runParallel(one, one.model(optimizer()), 1, {devices, strategy, recompute, ...same}),
        reference,
        1e-4,
      );
    };
    it(`${strategy}: micro-batches, batch norm over all ranks, ranks without samples`, async () => {
      await both(head(NORMS, NORMS.batchSize * 3 + 5), {microBatches: 3}, 4, () =>
        tf.train.sgd(0.05),
      );
      await both(head(NORMS, NORMS.batchSize * 2 + 1), {}, 4, () => tf.train.sgd(0.05));
    });

    it(`${strategy}: globalClipNorm over all shards, dropout and shuffling`, async () => {
      const one = {
        ...SHORT,
        model: (optimizer: tf.Optimizer) =>
          transformer({
            layers: 2,
            hidden: 16,
            heads: 2,
            vocab: 20,
            sequence: 6,
            dropout: 0.3,
            seed: 1,
            optimizer,
          }),
      };
      await both(one, {globalClipNorm: 0.3, shuffle: true, seed: 5}, 3);
    });

    // Only stage 3 has anything to do with it.
    if (strategy === 'fsdp')
      it(`${strategy}: what is computed again, in blocks, in single layers, across a tied one`, async () => {
        await both(SHORT, {recompute: ['block_0/attention', 'block_1', 'head']}, 2);
        await both(
          head(COURSE_CASES[4], 4 * TEXT.batchSize),
          {recompute: ['embedding', 'block_0'], microBatches: 2},
          2,
        );
        await both(head(NORMS, 4 * NORMS.batchSize), {recompute: ['conv', 'norm', 'act']}, 2, () =>
          tf.train.sgd(0.05),
        );
      });

    if (strategy !== 'zero2')
      it(`${strategy}: goes on with the optimizer's state of the run before, and hands it on, moments by position`, async () => {
        const [reference, actual, plain] = [0, 1, 2].map(() => SHORT.model(OPTIMIZERS.adam()));
        await runTrain(SHORT, reference, 1);
        await runTrain(SHORT, plain, 1);
        await runParallel(SHORT, actual, 1, {devices: 3, strategy});
        // What came back goes on in `train`, and what `train` left goes on here.
        const second = await runTrain(SHORT, reference, 1);
        expectSameRun(await runTrain(SHORT, actual, 1), second, 1e-4);
        expectSameRun(await runParallel(SHORT, plain, 1, {devices: 4, strategy}), second, 1e-4);
      });
  }

  it('callbacks get the whole model at the end of an epoch', async () => {
    const seen: Float32Array[] = [];
    const model = SHORT.model(tf.train.adam(0.01));
    const {weights} = await runParallel(SHORT, model, 2, {
      devices: 2,
      strategy: 'fsdp',
      callbacks: {
        onEpochEnd: () => void seen.push(Float32Array.from(model.getWeights()[0].dataSync())),
      },
    });
    expect(seen).toHaveLength(2);
    expect(seen[0]).not.toEqual(seen[1]);
    expect(seen[1]).toEqual(weights[0].values);
  });

  it('is repeatable to the bit', async () => {
    const run = () =>
      runParallel(SHORT, SHORT.model(tf.train.adam(0.01)), 1, {
        devices: 2,
        strategy: 'fsdp',
        shuffle: true,
        seed: 3,
      });
    const [first, second] = [await run(), await run()];
    expect(second.weights).toEqual(first.weights);
  });
});
