/** Layers that draw random numbers: equal numbers however the batch and the model are divided. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import type {TrainParallelOptions} from '#lib/config/options.js';
import {readGraph} from '#lib/model/graph.js';
import {
  expectSameRun,
  referenceRun,
  runFit,
  runParallel,
  runTrain,
  type Observed,
} from '../parity/harness';
import {RANDOM_CASES} from './randomCases';

const sgd = () => tf.train.sgd(0.1);

/** Recomputes every layer. */
const all = (model: tf.LayersModel) => readGraph(model).calls.map(({name}) => name);

type Division = [
  what: string,
  devices: number,
  options: TrainParallelOptions,
  recompute?: typeof all,
];

const DIVISIONS: Division[] = [
  ['microBatches and recompute', 1, {microBatches: 3}, all],
  ['dataParallel', 3, {}],
  ['zero1', 2, {strategy: 'zero1', microBatches: 2}],
  ['zero2', 3, {strategy: 'zero2'}],
  ['fsdp', 2, {strategy: 'fsdp'}, all],
  ['pipelineParallel', 2, {strategy: {kind: 'pipelineParallel', microBatches: 4}}],
  [
    'zero bubble',
    2,
    {strategy: {kind: 'pipelineParallel', schedule: 'zero-bubble', microBatches: 2}},
  ],
  ['tensorParallel', 2, {strategy: 'tensorParallel'}, all],
  ['a mesh', 4, {strategy: {mesh: {data: 2, tensor: 2}, microBatches: 2}}],
];

/** Without the weights' names, which tfjs counts up. */
const unnamed = ({weights, ...run}: Observed): Observed => ({
  ...run,
  weights: weights.map(({values}, i) => ({name: String(i), values})),
});

const named = (name: string) => RANDOM_CASES.find((one) => one.name === name)!;

describe.each(RANDOM_CASES.filter(({name}) => !['seeds', 'positions'].includes(name)))(
  '$name',
  (one) => {
    // What is drawn does not depend on the stage of ZeRO, so that one model shows it for all three.
    it.each(DIVISIONS.filter(([what]) => one === RANDOM_CASES[0] || !/zero[12]/.test(what)))(
      'equals one device: %s',
      async (_, devices, options, recompute) => {
        const reference = await referenceRun(one, sgd);
        const model = one.model(sgd());
        const actual = await runParallel(one, model, 1, {
          devices,
          ...options,
          recompute: recompute?.(model),
        });
        expectSameRun(unnamed(actual), unnamed(reference), 1e-5);
      },
    );
    it('is the same to the bit in a second run, and another with another seed', async () => {
      const reference = await referenceRun(one, sgd);
      const model = one.model(sgd());
      const again = await runTrain(one, model, 1, {recompute: all(model)});
      expect(again.losses).toEqual(reference.losses);
      expect(unnamed(again).weights).toEqual(unnamed(reference).weights);
      const other = await runTrain(one, one.model(sgd()), 1, {seed: 2});
      expect(other.losses).not.toEqual(reference.losses);
    });
  },
);

it('layers with a seed draw the same masks at every step, as in fit', async () => {
  const seeded = named('seeds');
  const fit = await runFit(seeded, seeded.model(sgd()), 2);
  for (const [devices, options] of [
    [1, {microBatches: 3}],
    [2, {strategy: 'fsdp'}],
    [2, {strategy: 'tensorParallel'}],
  ] as const)
    expectSameRun(
      unnamed(await runParallel(seeded, seeded.model(sgd()), 2, {devices, ...options})),
      unnamed(fit),
      1e-5,
    );
});

it('ranks that hold some positions draw the elements of these', async () => {
  const one = named('positions');
  const actual = await runParallel(one, one.model(sgd()), 1, {
    devices: 2,
    strategy: {kind: 'tensorParallel', sequenceParallel: true},
  });
  expectSameRun(unnamed(actual), unnamed(await referenceRun(one, sgd)), 1e-5);
});

it('the gradient goes through the noise of the forward pass, in a recomputation too', async () => {
  // A prediction is w times noise, so that the gradient of w is 2 w mean(noise^2) = 2; with a
  // second draw of the noise it would be 0.
  const samples = 5000;
  const zeros = {values: new Float32Array(samples), shape: [samples, 1]};
  for (const recompute of ['none', 'block'] as const) {
    const model = tf.sequential({
      layers: [
        tf.layers.gaussianNoise({stddev: 1, inputShape: [1], name: 'block/noise'}),
        tf.layers.dense({units: 1, useBias: false, kernelInitializer: 'ones', name: 'block/w'}),
      ],
    });
    model.compile({optimizer: tf.train.sgd(0.25), loss: 'meanSquaredError'});
    const one = {
      name: '',
      model: () => model,
      data: {xs: [zeros], ys: [zeros]},
      batchSize: samples,
    };
    const {weights} = await runTrain(one, model, 1, {recompute});
    expect(Math.abs(weights[0].values[0] - 0.5)).toBeLessThan(0.05);
  }
});

it('in processes of their own', async () => {
  const [one] = RANDOM_CASES;
  const reference = await referenceRun(one, sgd);
  const options = {devices: 2, strategy: 'zero2', microBatches: 2} as const;
  const actual = await runParallel(one, one.model(sgd()), 1, options, 'processes');
  expectSameRun(unnamed(actual), unnamed(reference), 1e-5);
});
