/**
 * What is trained is what fit would train at that moment: layers frozen before and after compile,
 * nested models, wrappers and recurrent cells, in any state.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {TrainParallelOptions} from '#lib/config/options.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {refusal} from '../helpers/refusal';

const L = tf.layers;
const SAMPLES = 12;
let seed = 0;
const kernel = () => tf.initializers.glorotUniform({seed: (seed += 1)});
const dense = (units: number, name: string, inputShape?: number[]) =>
  L.dense({units, name, activation: 'tanh', inputShape, kernelInitializer: kernel()});
const lstm = (units: number, rest: object = {}) =>
  L.lstm({
    units,
    kernelInitializer: kernel(),
    recurrentInitializer: kernel(),
    ...(rest as {returnSequences?: boolean}),
  });
const cell = (units: number) =>
  L.lstmCell({units, kernelInitializer: kernel(), recurrentInitializer: kernel()});

interface Case {
  name: string;
  /** The model, not compiled. */
  model(): tf.LayersModel;
  inputShape: number[];
  before?(model: tf.LayersModel): void;
  after?(model: tf.LayersModel): void;
}

const base = () => {
  const model = tf.sequential({name: 'base'});
  model.add(dense(5, 'inner_1', [3]));
  model.add(dense(4, 'inner_2'));
  return model;
};
const onBase = () => {
  const model = tf.sequential();
  model.add(base());
  model.add(dense(4, 'head_1'));
  model.add(L.dense({units: 2, name: 'head_2', kernelInitializer: kernel()}));
  return model;
};
/** A functional model with a nested functional base that is applied twice, and a skip. */
const siamese = () => {
  const inner = tf.input({shape: [3]});
  const shared = tf.model({
    inputs: inner,
    outputs: dense(4, 'deep_2').apply(dense(4, 'deep_1').apply(inner)) as tf.SymbolicTensor,
    name: 'shared',
  });
  const input = tf.input({shape: [3]});
  const left = shared.apply(input) as tf.SymbolicTensor;
  const right = shared.apply(dense(3, 'between').apply(input)) as tf.SymbolicTensor;
  const sum = L.add({name: 'sum'}).apply([left, right]) as tf.SymbolicTensor;
  return tf.model({inputs: input, outputs: dense(2, 'top').apply(sum) as tf.SymbolicTensor});
};
const sequence = (...layers: tf.layers.Layer[]) => {
  const model = tf.sequential();
  for (const layer of layers) model.add(layer);
  model.add(L.dense({units: 2, name: 'head', kernelInitializer: kernel()}));
  return model;
};
const freeze = (name: string) => (model: tf.LayersModel) => {
  model.getLayer(name).trainable = false;
};

const CASES: Case[] = [
  {name: 'a base frozen before compile', model: onBase, inputShape: [3], before: freeze('base')},
  {name: 'a base frozen after compile', model: onBase, inputShape: [3], after: freeze('base')},
  {
    name: 'a base unfrozen after compile: fit does not train it',
    model: onBase,
    inputShape: [3],
    before: freeze('base'),
    after: (model) => {
      model.getLayer('base').trainable = true;
    },
  },
  {
    name: 'one layer inside a base, before compile',
    model: onBase,
    inputShape: [3],
    before: (model) => {
      (model.getLayer('base') as unknown as tf.LayersModel).getLayer('inner_1').trainable = false;
    },
  },
  {
    name: 'a model frozen and unfrozen as a whole, then one layer',
    model: onBase,
    inputShape: [3],
    after: (model) => {
      const inner = (model as unknown as {model: tf.LayersModel}).model;
      inner.trainable = false;
      inner.trainable = true;
      model.getLayer('head_1').trainable = false;
    },
  },
  {name: 'a shared functional base', model: siamese, inputShape: [3], before: freeze('shared')},
  {name: 'a layer between shared ones', model: siamese, inputShape: [3], after: freeze('between')},
  {
    name: 'a Bidirectional, before compile',
    model: () =>
      sequence(
        L.bidirectional({
          layer: lstm(3) as tf.RNN,
          mergeMode: 'concat',
          inputShape: [4, 3],
          name: 'both',
        }),
      ),
    inputShape: [4, 3],
    before: freeze('both'),
  },
  {
    name: 'a TimeDistributed and a recurrent layer, after compile',
    model: () =>
      sequence(
        L.timeDistributed({layer: dense(4, 'each'), inputShape: [4, 3], name: 'times'}),
        lstm(3, {name: 'recurrent'}),
      ),
    inputShape: [4, 3],
    after: (model) => {
      freeze('times')(model);
      // tfjs goes on training a recurrent layer that is frozen after compile: its cell is not.
      freeze('recurrent')(model);
    },
  },
  {
    name: 'one of two stacked cells, before compile',
    model: () => {
      const cells = [cell(3), cell(2)];
      cells[0].trainable = false;
      return sequence(L.rnn({cell: cells, inputShape: [4, 3], name: 'stack'}));
    },
    inputShape: [4, 3],
  },
  {
    name: 'batch norm, whose averages still move',
    model: () => sequence(dense(4, 'first', [3]), L.batchNormalization({name: 'norm'})),
    inputShape: [3],
    after: freeze('norm'),
  },
];

const series = (length: number, step: number) =>
  Float32Array.from({length}, (_, i) => Math.sin(step * i));

function build({model, before, after}: Case): tf.LayersModel {
  seed = 0;
  const built = model();
  before?.(built);
  built.compile({optimizer: tf.train.adam(0.05), loss: 'meanSquaredError'});
  after?.(built);
  return built;
}

function data({inputShape}: Case) {
  const size = inputShape.reduce((product, length) => product * length, SAMPLES);
  return {
    xs: {values: series(size, 0.9), shape: [SAMPLES, ...inputShape]},
    ys: {values: series(SAMPLES * 2, 1.7), shape: [SAMPLES, 2]},
  };
}

const options = {batchSize: 4, epochs: 2, shuffle: false, verbose: 0 as const};

function valuesOf(model: tf.LayersModel): Record<string, number[]> {
  const {weights} = model as unknown as {
    weights: Array<{originalName: string; read(): tf.Tensor}>;
  };
  const values = weights.map((weight, i): [string, number[]] => [
    // tfjs numbers the names of layers that get none.
    `${weight.originalName.replace(/\d+/g, '')} ${i}`,
    Array.from(weight.read().dataSync()),
  ]);
  model.optimizer.dispose();
  model.dispose();
  return Object.fromEntries(values);
}

async function byFit(one: Case): Promise<Record<string, number[]>> {
  const model = build(one);
  const {xs, ys} = data(one);
  const tensors = [tf.tensor(xs.values, xs.shape), tf.tensor(ys.values, ys.shape)];
  await model.fit(tensors[0], tensors[1], {...options, yieldEvery: 'never'});
  tf.dispose(tensors);
  return valuesOf(model);
}

function expectSame(actual: Record<string, number[]>, expected: Record<string, number[]>): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected))
    values.forEach((value, i) =>
      expect(Math.abs(actual[name][i] - value), `${name}, element ${i}`).toBeLessThan(2e-4),
    );
}

const STRATEGIES: Array<[number, TrainParallelOptions]> = [
  [2, {strategy: 'dataParallel'}],
  [3, {strategy: 'fsdp'}],
  [2, {strategy: 'zero2'}],
  [2, {strategy: {kind: 'pipelineParallel', microBatches: 1}}],
];

describe.each(CASES)('$name', (one) => {
  it('trains the same weights as fit', async () => {
    const expected = await byFit(one);
    const model = build(one);
    await train(model, data(one), {...options, threads: 1});
    expectSame(valuesOf(model), expected);
    const index = CASES.indexOf(one);
    const strategies = STRATEGIES.filter(
      (_, i) => process.env.MANY_HANDS_FULL || i === index % STRATEGIES.length,
    );
    for (const [devices, strategy] of strategies) {
      const parallel = build(one);
      await trainParallelOver('inProcess', parallel, data(one), {
        ...options,
        threads: 1,
        devices,
        ...strategy,
      });
      expectSame(valuesOf(parallel), expected);
    }
  });
});

describe('is refused before a worker starts', () => {
  it('a model with every weight frozen after compile', async () => {
    const one = {...CASES[0], before: undefined};
    const model = build(one);
    for (const layer of model.layers) layer.trainable = false;
    const error = await refusal(train(model, data(one), options));
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toMatch(/frozen/);
    valuesOf(model);
  });

  it('a layer that is shared between a nested model and the model around it', async () => {
    seed = 0;
    const layer = dense(3, 'twice', [3]);
    const inner = tf.sequential({name: 'inner'});
    inner.add(layer);
    const input = tf.input({shape: [3]});
    const output = L.dense({units: 2}).apply(
      layer.apply(inner.apply(input) as tf.SymbolicTensor),
    ) as tf.SymbolicTensor;
    const model = tf.model({inputs: input, outputs: output});
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const error = await refusal(train(model, data(CASES[0]), options));
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toMatch(
      /'inner\/twice' and 'twice' share the weight|'twice' and 'inner\/twice' share the weight/,
    );
    model.optimizer.dispose();
  });
});
