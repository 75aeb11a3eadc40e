/** What layers keep from step to step, averages and states, is that of fit, or is refused. */
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {afterAll, describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {statefulParts, disposeStates} from '#lib/model/layerState.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import type {ParityCase} from '../parity/harness';
import {
  DATA,
  dense,
  expectAsFit,
  fitCase,
  floats,
  lstm,
  MICRO,
  piped,
  recomputed,
  TENSOR,
  TRAIN,
  type Way,
} from '../helpers/asFit';

type Symbolic = tf.SymbolicTensor;
const fixture = join(__dirname, 'fixtures', 'userLayers.cjs');
const modules = [pathToFileURL(fixture).href];
const {RunningMean, LateMean, Constant} = createRequire(__filename)(fixture) as Record<
  string,
  new (
    args: object,
  ) => tf.layers.Layer
>;
const N = 12;
const apply = (layer: tf.layers.Layer | tf.LayersModel, x: Symbolic) =>
  (layer as tf.layers.Layer).apply(x) as Symbolic;
const norm = (name: string) => tf.layers.batchNormalization({name, momentum: 0.7});

/** One batch norm between two pairs of layers, whose inputs are unlike, and one in a nested model. */
const norms = fitCase(
  () => {
    const shared = norm('shared');
    const inside = tf.input({shape: [4], name: 'inside'});
    const normed = apply(norm('inner_norm'), inside);
    const inner = tf.model({
      inputs: inside,
      outputs: [apply(dense('one', 2), normed), apply(dense('two', 3), normed)],
      name: 'nested',
    });
    const input = tf.input({shape: [4], name: 'x'});
    const first = apply(shared, apply(dense('left', 4, {useBias: false}), input));
    const second = apply(shared, apply(dense('right', 4, {activation: 'tanh'}), input));
    const sum = apply(
      tf.layers.activation({name: 'act', activation: 'tanh'}),
      tf.layers.add({name: 'sum'}).apply([first, second]) as Symbolic,
    );
    // Both outputs are read, so tfjs runs the nested model twice and moves its averages twice.
    const both = (inner as unknown as tf.layers.Layer).apply(sum) as Symbolic[];
    const joined = tf.layers.concatenate({name: 'joined'}).apply(both) as Symbolic;
    return tf.model({
      inputs: input,
      outputs: apply(dense('out', 1), apply(dense('up', 4), joined)),
    });
  },
  [floats(1, N - 1, 4)],
  [floats(2, N - 1, 1)],
);

const withLayer = (layer: () => tf.layers.Layer, scale = 1): ParityCase => {
  const xs = floats(1, N, 4);
  return fitCase(
    () => {
      const model = tf.sequential();
      model.add(dense('first', 4, {inputShape: [4], activation: 'relu'}));
      model.add(layer());
      model.add(dense('out', 1));
      return model;
    },
    [{...xs, values: xs.values.map((value) => value * scale)}],
    [floats(2, N, 1)],
  );
};

describe('averages as in fit', () => {
  it('of a batch norm that is used twice, and in a nested model with two outputs', () =>
    expectAsFit(norms, [
      TRAIN,
      recomputed('shared', 'nested'),
      ...DATA,
      TENSOR,
      piped(1, 'nested', 'up'),
    ]));
  it('of a layer of a user, also if it is computed again', () =>
    expectAsFit(
      withLayer(() => new RunningMean({name: 'mean'})),
      [TRAIN, recomputed('mean', 'out'), piped(1, 'mean', 'out')],
      0.02,
      {modules},
    ));
  it('that a layer of a user never moves', () =>
    expectAsFit(
      withLayer(() => new Constant({name: 'constant'})),
      [TRAIN, MICRO, ...DATA, piped(2, 'constant')],
      0.02,
      {modules},
    ));
  it('of batch norm in a TimeDistributed', () =>
    expectAsFit(
      fitCase(
        () => {
          const model = tf.sequential();
          model.add(
            tf.layers.timeDistributed({name: 'each', layer: norm('norm'), inputShape: [3, 2]}),
          );
          model.add(tf.layers.flatten({name: 'flat'}));
          model.add(dense('out', 1));
          return model;
        },
        [floats(1, N, 3, 2)],
        [floats(2, N, 1)],
      ),
      [TRAIN, recomputed('each'), piped(1, 'flat')],
    ));
});

const parallel = (one: ParityCase, [, devices, options]: Way) =>
  trainParallelOver('inProcess', one.model(tf.train.sgd(0.1)), one.data, {
    batchSize: 6,
    verbose: 0,
    modules,
    ...options,
    devices,
  });

describe('averages that a rank would move by its share alone are refused', () => {
  const moving = withLayer(() => new RunningMean({name: 'mean'}));
  it.each([...DATA, piped(2, 'mean')])('by %s', async (...way) =>
    expect(parallel(moving, way)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(
        /^the layer 'mean' \(RunningMean\) changes weights that are not trained/,
      ),
    }),
  );
  it('in micro-batches on one device', () =>
    expect(
      train(moving.model(tf.train.sgd(0.1)), moving.data, {
        batchSize: 6,
        microBatches: 2,
        verbose: 0,
        modules,
      }),
    ).rejects.toMatchObject({code: 'BAD_MODEL'}));
  it('at the first step that shows it, if no trial does', () =>
    expect(
      parallel(
        withLayer(() => new LateMean({name: 'late'}), 100),
        DATA[0],
      ),
    ).rejects.toMatchObject({code: 'BAD_MODEL', message: expect.stringMatching(/layer 'late'/)}));
  it('where stages of a pipeline share a batch norm', () =>
    expect(
      trainParallelOver(
        'inProcess',
        (() => {
          const shared = norm('shared');
          const input = tf.input({shape: [4], name: 'x'});
          const second = apply(dense('middle', 4), apply(shared, input));
          const model = tf.model({
            inputs: input,
            outputs: apply(dense('out', 1), apply(shared, second)),
          });
          model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
          return model;
        })(),
        {xs: floats(1, N, 4), ys: floats(2, N, 1)},
        {
          batchSize: 6,
          devices: 2,
          verbose: 0,
          strategy: {kind: 'pipelineParallel', splitAt: ['middle'], microBatches: 1},
        },
      ),
    ).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(/'shared' is used in stages 0 and 1/),
    }));
});

const models: tf.LayersModel[] = [];
afterAll(() => {
  for (const model of models) for (const layer of model.layers) disposeStates(layer);
});

const stateful = (bidirectional = false) =>
  fitCase(
    () => {
      const model = tf.sequential();
      const recurrent = lstm('lstm', 3, {stateful: true, batchInputShape: [4, 2, 2]});
      model.add(
        bidirectional
          ? tf.layers.bidirectional({
              name: 'both',
              layer: recurrent as unknown as tf.RNN,
              batchInputShape: [4, 2, 2],
              mergeMode: 'concat',
            })
          : recurrent,
      );
      model.add(dense('up', 4, {activation: 'relu'}));
      model.add(dense('out', 1));
      models.push(model);
      return model;
    },
    [floats(1, N, 2, 2)],
    [floats(2, N, 1)],
    {validationSplit: 1 / 3},
    4,
  );

describe('states as in fit', () => {
  it('go from batch to batch, through validation too', async () => {
    await expectAsFit(stateful(), [TRAIN, recomputed('lstm'), TENSOR]);
    await expectAsFit(stateful(true), [TRAIN, recomputed('both')]);
  });
  it('go from call to call, until the model or a callback resets them', async () => {
    const one = stateful();
    const make = () => one.model(tf.train.sgd(0.05));
    const options = {batchSize: 4, shuffle: false, verbose: 0, epochs: 2} as const;
    const xs = tf.tensor(one.data.xs[0].values as Float32Array, [N, 2, 2]);
    const ys = tf.tensor(one.data.ys[0].values as Float32Array, [N, 1]);
    const [fitted, trained] = [make(), make()];
    const losses: number[][] = [[], []];
    const resetting = (model: tf.LayersModel) => ({onEpochEnd: async () => model.resetStates()});
    for (const round of [0, 1, 2, 3]) {
      if (round === 2) for (const model of [fitted, trained]) model.resetStates();
      const callbacks = (model: tf.LayersModel) => (round === 3 ? resetting(model) : undefined);
      const fit = await fitted.fit(xs, ys, {...options, callbacks: callbacks(fitted)});
      const run = await train(trained, {xs, ys}, {...options, callbacks: callbacks(trained)});
      losses[0].push(...(fit.history.loss as number[]));
      losses[1].push(...(run.history.history.loss as number[]));
    }
    losses[1].forEach((loss, i) => expect(loss).toBeCloseTo(losses[0][i], 5));
    expect(statefulParts(trained.layers[0])[0].states_![0].dataSync()[0]).toBe(0);
    tf.dispose([xs, ys]);
  });
  it('are refused where a rank has not the whole batch, and for a batch that is too small', async () => {
    for (const way of [...DATA, piped(1, 'up')])
      await expect(parallel(stateful(), way)).rejects.toMatchObject({
        code: 'BAD_MODEL',
        message: expect.stringMatching(/^the layer 'lstm' is stateful/),
      });
    const one = stateful();
    const run = (samples: number, batchSize: number) =>
      train(
        one.model(tf.train.sgd(0.1)),
        {xs: floats(1, samples, 2, 2), ys: floats(2, samples, 1)},
        {batchSize, verbose: 0},
      );
    await expect(run(10, 4)).rejects.toMatchObject({
      code: 'BAD_DATA',
      message: expect.stringMatching(
        /its last batch would have 2, and the layer 'lstm' takes exactly 4/,
      ),
    });
    await expect(run(10, 5)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(/takes exactly 4 samples .* give batchSize 4/),
    });
  });
});
