/** Graphs of every form train as in fit, or are refused in words before a worker starts. */
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {readGraph} from '#lib/model/graph.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {
  DATA,
  dense,
  expectAsFit,
  fitCase,
  floats,
  inProcesses,
  lstm,
  MICRO,
  piped,
  recomputed,
  TENSOR,
  TRAIN,
} from '../helpers/asFit';

type Symbolic = tf.SymbolicTensor;
const fixture = join(__dirname, '..', 'step', 'fixtures', 'userLayers.cjs');
const modules = [pathToFileURL(fixture).href];
const {Two} = createRequire(__filename)(fixture) as {Two: new (args: object) => tf.layers.Layer};
const N = 11;
const apply = (layer: tf.layers.Layer | tf.LayersModel, x: Symbolic | Symbolic[]) =>
  (layer as tf.layers.Layer).apply(x) as Symbolic;
const conv = (name: string) =>
  tf.layers.conv2d({
    name,
    filters: 2,
    kernelSize: 3,
    padding: 'same',
    kernelInitializer: tf.initializers.glorotUniform({seed: 4}),
  });

describe('the shapes of a graph are those of its own nodes', () => {
  const elsewhere = fitCase(
    () => {
      const layer = conv('conv');
      const large = tf.input({shape: [16, 16, 1]});
      tf.model({inputs: large, outputs: apply(layer, large)});
      const x = tf.input({shape: [6, 6, 1], name: 'x'});
      const flat = apply(tf.layers.flatten({name: 'flat'}), apply(layer, x));
      return tf.model({inputs: x, outputs: apply(dense('out', 1), flat)});
    },
    [floats(1, N, 6, 6, 1)],
    [floats(2, N, 1)],
  );
  it('for a layer of another model', async () => {
    expect(readGraph(elsewhere.model(tf.train.sgd(0.1))).calls[0].shapes).toEqual([
      [null, 6, 6, 2],
    ]);
    await expectAsFit(elsewhere, [TRAIN, ...DATA, piped(2, 'flat', 'out')]);
  });

  const smaller = fitCase(
    () => {
      const inner = tf.sequential({name: 'inner'});
      inner.add(tf.layers.inputLayer({inputShape: [16, 16, 1], name: 'large'}));
      inner.add(conv('inner_1'));
      inner.add(conv('inner_2'));
      const x = tf.input({shape: [4, 4, 1], name: 'x'});
      const flat = apply(tf.layers.flatten({name: 'flat'}), apply(inner, x));
      return tf.model({inputs: x, outputs: apply(dense('out', 1), flat)});
    },
    [floats(1, N, 4, 4, 1)],
    [floats(2, N, 1)],
  );
  it('for a nested model that is applied to other shapes than its own', async () => {
    const [first] = readGraph(smaller.model(tf.train.sgd(0.1))).calls;
    expect(first.shapes).toEqual([[null, 4, 4, 2]]);
    await expectAsFit(smaller, [TRAIN, piped(2, 'inner/inner_2', 'out')]);
  });
});

describe('outputs', () => {
  const through = fitCase(
    () => {
      const x = tf.input({shape: [4], name: 'x'});
      const up = apply(dense('up', 6, {activation: 'relu'}), x);
      return tf.model({inputs: x, outputs: [apply(dense('out', 1), up), x]});
    },
    [floats(1, N, 4)],
    [floats(2, N, 1), floats(3, N, 4)],
  );
  it('may be an input', () =>
    expectAsFit(through, [
      TRAIN,
      MICRO,
      ...DATA,
      TENSOR,
      recomputed('up'),
      piped(2, 'out'),
      inProcesses(piped(2, 'out')),
    ]));

  const read = fitCase(
    () => {
      const x = tf.input({shape: [4], name: 'x'});
      const up = apply(dense('up', 6), x);
      return tf.model({inputs: x, outputs: [up, apply(dense('out', 1), up)]});
    },
    [floats(1, N, 4)],
    [floats(2, N, 6), floats(3, N, 1)],
  );
  it('may be read by another layer', () =>
    expectAsFit(read, [TRAIN, MICRO, ...DATA, recomputed('up', 'out')]));

  it('that are listed twice are refused, since fit cannot train them', async () => {
    const x = tf.input({shape: [4]});
    const y = apply(dense('out', 1), x);
    const model = tf.model({inputs: x, outputs: [y, y]});
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const [xs, ys] = [tf.ones([8, 4]), tf.ones([8, 1])];
    await expect(train(model, {xs, ys: [ys, ys]}, {verbose: 0})).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(/lists the output 'out' twice/),
    });
    tf.dispose([xs, ys]);
  });
});

describe('layers', () => {
  const several = fitCase(
    () => {
      const x = tf.input({shape: [4], name: 'x'});
      const [tripled, squared] = new Two({name: 'two'}).apply(
        apply(dense('up', 3), x),
      ) as Symbolic[];
      // Nobody reads the state of this one.
      const [last] = lstm('lstm', 2, {returnState: true}).apply(
        apply(tf.layers.repeatVector({name: 'repeat', n: 2}), tripled),
      ) as Symbolic[];
      const joined = apply(tf.layers.concatenate({name: 'joined'}), [last, squared]);
      return tf.model({inputs: x, outputs: apply(dense('out', 1), joined)});
    },
    [floats(1, N, 4)],
    [floats(2, N, 1)],
  );
  it('may return several tensors', () =>
    expectAsFit(
      several,
      [TRAIN, MICRO, ...DATA, recomputed('two'), recomputed('lstm'), piped(2, 'out')],
      0.02,
      {modules},
    ));
  it('may be alone', () =>
    expectAsFit(
      fitCase(
        () => {
          const model = tf.sequential();
          model.add(dense('out', 1, {inputShape: [4]}));
          return model;
        },
        [floats(1, N, 4)],
        [floats(2, N, 1)],
      ),
      [TRAIN, MICRO, ...DATA, recomputed('out')],
    ));
  it.each(['scale', 'center'])('batch norm without %s is refused with its name', async (field) => {
    const model = tf.sequential();
    model.add(dense('first', 3, {inputShape: [4]}));
    model.add(tf.layers.batchNormalization({name: 'norm', [field]: false}));
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const [xs, ys] = [tf.ones([8, 4]), tf.ones([8, 3])];
    for (const run of [
      train(model, {xs, ys}, {verbose: 0}),
      trainParallelOver('inProcess', model, {xs, ys}, {devices: 2, verbose: 0}),
    ])
      await expect(run).rejects.toMatchObject({
        code: 'BAD_MODEL',
        message: expect.stringMatching(
          new RegExp(`'norm' is a batchNormalization with ${field}: false`),
        ),
      });
    tf.dispose([xs, ys]);
  });
});

it('a batch norm of more dims than tfjs has is refused everywhere alike', async () => {
  const model = tf.sequential();
  model.add(tf.layers.batchNormalization({name: 'norm', inputShape: [2, 2, 3, 2]}));
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  const xs = tf.ones([4, 2, 2, 3, 2]);
  expect(() => tf.tidy(() => void model.apply(xs, {training: true}))).toThrow('rank 5');
  for (const run of [
    train(model, {xs, ys: xs}, {verbose: 0}),
    trainParallelOver(
      'inProcess',
      model,
      {xs, ys: xs},
      {devices: 2, strategy: 'zero2', verbose: 0},
    ),
  ])
    await expect(run).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining("'norm' is a batchNormalization of an input of shape"),
    });
  xs.dispose();
});

describe('a fixed batch size', () => {
  const fixed = (layer: () => tf.layers.Layer, batchSize: number, samples = N) =>
    fitCase(
      () => {
        const model = tf.sequential();
        model.add(layer());
        model.add(dense('up', 6, {activation: 'relu'}));
        model.add(dense('out', 1));
        return model;
      },
      [floats(1, samples, 4)],
      [floats(2, samples, 1)],
      {},
      batchSize,
    );
  it('binds no layer that does not look at it', () =>
    expectAsFit(
      fixed(() => dense('first', 4, {batchInputShape: [6, 4]}), 6),
      [TRAIN, MICRO, ...DATA, TENSOR, recomputed('up'), piped(2, 'up', 'out')],
    ));
  const wrapped = () => {
    const model = tf.sequential();
    model.add(
      tf.layers.timeDistributed({name: 'each', layer: dense('one', 2), batchInputShape: [6, 2, 2]}),
    );
    model.add(tf.layers.flatten({name: 'flat'}));
    model.add(dense('out', 1));
    return model;
  };
  it('is what a TimeDistributed insists on', async () => {
    const whole = fitCase(wrapped, [floats(1, 12, 2, 2)], [floats(2, 12, 1)]);
    await expectAsFit(whole, [TRAIN, recomputed('each'), piped(1, 'out')]);
    const model = whole.model(tf.train.sgd(0.1));
    const run = (samples: number, batchSize: number, devices: number) =>
      trainParallelOver(
        'inProcess',
        model,
        {xs: floats(1, samples, 2, 2), ys: floats(2, samples, 1)},
        {batchSize, devices, verbose: 0, strategy: 'dataParallel'},
      );
    await expect(run(12, 6, 2)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(/'each' takes exactly 6 samples .*would get 3 of 6/),
    });
    await expect(run(11, 6, 1)).rejects.toMatchObject({
      code: 'BAD_DATA',
      message: expect.stringMatching(/its last batch would have 5/),
    });
    await expect(
      trainParallelOver(
        'processes',
        model,
        {xs: floats(1, 12, 2, 2), ys: floats(2, 12, 1)},
        {batchSize: 6, devices: 2, verbose: 0},
      ),
    ).rejects.toMatchObject({code: 'BAD_MODEL', message: expect.stringMatching(/name a strategy/)});
  });
});
