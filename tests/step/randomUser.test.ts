/** Layers of a user's own that draw random numbers: equal on every rank, or refused. */
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import type {TrainParallelOptions} from '#lib/config/options.js';
import {
  expectSameRun,
  referenceRun,
  runFit,
  runParallel,
  runTrain,
  type ParityCase,
} from '../parity/harness';

const fixture = join(__dirname, 'fixtures', 'drawingLayers.mjs');
const classes: Record<string, new (config: object) => tf.layers.Layer> = {};
beforeAll(async () => {
  Object.assign(classes, ((await import(fixture)) as {layers: typeof classes}).layers);
});
const modules = [fixture];
const WIDTH = 4;
const SAMPLES = 12;

const floats = (width: number) => ({
  values: Float32Array.from({length: SAMPLES * width}, (_, i) => Math.cos(i)),
  shape: [SAMPLES, width],
});
const dense = (name: string, units: number) =>
  tf.layers.dense({name, units, kernelInitializer: tf.initializers.glorotUniform({seed: units})});

function caseOf(...names: string[]): ParityCase {
  return {
    name: names.join(),
    model: (optimizer) => {
      const input = tf.input({shape: [WIDTH]});
      const layers = [
        dense('first', WIDTH),
        ...names.map((name) => new classes[name]({name: `block/${name}`})),
        dense('block/up', 6),
        dense('block/down', 2),
      ];
      const output = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
      const model = tf.model({inputs: input, outputs: output});
      model.compile({optimizer, loss: 'meanSquaredError'});
      return model;
    },
    data: {xs: [floats(WIDTH)], ys: [floats(2)]},
    batchSize: 8,
  };
}

const sgd = () => tf.train.sgd(0.1);
const parallel = (one: ParityCase, devices: number, options: TrainParallelOptions = {}) =>
  runParallel(one, one.model(sgd()), 1, {devices, modules, ...options});

describe("a user's layers that draw", () => {
  const one = {
    ...caseOf('Sampling', 'NoisyWeight', 'Coin', 'Mixture', 'NoisyGradient'),
    options: {validationSplit: 0.4},
  };
  it.each<[string, number, TrainParallelOptions]>([
    ['microBatches and recompute', 1, {microBatches: 2, recompute: 'block'}],
    ['dataParallel', 2, {}],
    ['fsdp', 3, {strategy: 'fsdp', recompute: 'block'}],
    ['pipelineParallel', 2, {strategy: {kind: 'pipelineParallel', microBatches: 2}}],
    ['tensorParallel', 2, {strategy: 'tensorParallel'}],
    ['a mesh', 4, {strategy: {mesh: {data: 2, tensor: 2}}}],
  ])('equal one device, validation too: %s', async (_, devices, options) => {
    const reference = await referenceRun(one, sgd, {modules});
    expectSameRun(await parallel(one, devices, options), reference, 1e-5);
  });
  it('draw anew in every step and every validation', async () => {
    const still = {...caseOf('Sampling'), options: {validationSplit: 0.4}};
    const {logs} = await runTrain(still, still.model(tf.train.sgd(0)), 3, {modules});
    expect(new Set(logs.loss).size).toBe(3);
    expect(new Set(logs.val_loss).size).toBe(3);
  });
});

describe('refused before a worker starts', () => {
  const DIVIDED: TrainParallelOptions[] = [{}, {strategy: 'fsdp'}, {strategy: 'pipelineParallel'}];
  it.each<[string, RegExp]>([
    ['NumberEach', /layer 'block\/NumberEach' draws 8 times for 2 samples and 12 times for 3, so/],
    [
      'Transposed',
      /numbers of the shape \[4,2\] for 2 samples and \[4,3\] for 3, .*tf\.randomNormal\(x\.shape\)/,
    ],
  ])('%s, where the batch is divided', async (name, message) => {
    const one = caseOf(name);
    for (const options of DIVIDED)
      await expect(parallel(one, 2, options)).rejects.toMatchObject({
        code: 'BAD_MODEL',
        message: expect.stringMatching(message) as unknown,
      });
    const reference = await referenceRun(one, sgd, {modules});
    expectSameRun(await parallel(one, 2, {strategy: 'tensorParallel'}), reference, 1e-5);
  });
  it.each([['OwnGenerator'], ['MovingSeed']])('%s, wherever it runs twice', async (name) => {
    const one = caseOf(name);
    for (const [devices, options] of [
      [2, {}],
      [2, {strategy: 'tensorParallel'}],
      [1, {recompute: 'block'}],
    ] as const)
      await expect(parallel(one, devices, options)).rejects.toMatchObject({
        code: 'BAD_MODEL',
        message: expect.stringMatching(
          /something else each time it gets the same input/,
        ) as unknown,
      });
    await runTrain(one, one.model(sgd()), 1, {modules});
  });
  it('numbers that a layer draws while it is built, without a seed', async () => {
    for (const devices of [1, 2])
      await expect(parallel(caseOf('RandomFeatures'), devices)).rejects.toMatchObject({
        code: 'BAD_MODEL',
        message: expect.stringMatching(/'block\/RandomFeatures'.*while it is made/) as unknown,
      });
    const one = caseOf('FixedFeatures');
    const fit = await runFit(one, one.model(sgd()), 1);
    expectSameRun(await parallel(one, 2), fit, 1e-5);
  });
  it('a layer that draws and is sharded', async () => {
    const layout = {
      'block/NoisyWeight': 'column',
      'block/up': 'column',
      'block/down': 'row',
    } as const;
    await expect(
      parallel(caseOf('NoisyWeight'), 2, {strategy: {kind: 'tensorParallel', layout}}),
    ).rejects.toThrow(/'block\/NoisyWeight' draws random numbers.*make it 'replicated'/);
  });
  it('what tfjs leaves out of a description', async () => {
    const sequence = (layer: tf.layers.Layer): ParityCase => ({
      ...caseOf(),
      model: (optimizer) => {
        const model = tf.sequential({layers: [layer, tf.layers.dense({units: 2})]});
        model.compile({optimizer, loss: 'meanSquaredError'});
        return model;
      },
    });
    const noise = tf.layers.alphaDropout({rate: 0.5, noiseShape: [1, 4], inputShape: [4]});
    await expect(parallel(sequence(noise), 1)).rejects.toThrow(/an alphaDropout with a noiseShape/);
    const gru = tf.layers.gru({
      units: 2,
      dropout: 0.5,
      dropoutFunc: (x: tf.Tensor) => x,
      inputShape: [2, 2],
    } as never);
    const one = sequence(gru);
    one.data.xs[0].shape = [SAMPLES, 2, 2];
    await expect(parallel(one, 1)).rejects.toThrow(/has a dropoutFunc/);
  });
});
