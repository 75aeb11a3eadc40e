/**
 * The models that parity is shown on: the course's own, and one for each thing that a step may
 * stumble over.
 */
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {ShapedArray} from '#lib/base/arrays.js';
import {Random, seedFor} from '#lib/base/random.js';
import {convnet, drivingNet, mlp, transformer} from '#lib/models/index.js';
import {BATCH, type ParityCase} from './harness';

const STEPS = 20;
/** The last batch is smaller than the others. */
const SAMPLES = BATCH * STEPS - 3;

function floats(seed: number, ...shape: number[]): ShapedArray {
  const random = new Random(seed);
  return {
    values: Float32Array.from(
      {length: shape.reduce((a, b) => a * b, 1)},
      () => random.uniform() * 2 - 1,
    ),
    shape,
  };
}

function integers(seed: number, most: number, ...shape: number[]): ShapedArray {
  const random = new Random(seed);
  return {
    values: Int32Array.from({length: shape.reduce((a, b) => a * b, 1)}, () => random.integer(most)),
    shape,
  };
}

function bytes(seed: number, ...shape: number[]): ShapedArray {
  const random = new Random(seed);
  return {
    values: Uint8Array.from({length: shape.reduce((a, b) => a * b, 1)}, () => random.integer(256)),
    shape,
    scale: 1 / 255,
  };
}

const kernel = (name: string) => tf.initializers.glorotUniform({seed: seedFor(7, name)});
const dense = (name: string, units: number, more: object = {}) =>
  tf.layers.dense({name, units, kernelInitializer: kernel(name), ...more});

function functional(
  name: string,
  build: () => {
    inputs: tf.SymbolicTensor[];
    outputs: tf.SymbolicTensor[];
    loss: string | string[];
    metrics?: string[];
  },
): ParityCase['model'] {
  return (optimizer) => {
    const {inputs, outputs, loss, metrics} = build();
    const model = tf.model({inputs, outputs, name});
    model.compile({optimizer, loss, metrics});
    return model;
  };
}

/** The models of `lib/models`, small. */
export const COURSE_CASES: ParityCase[] = [
  {
    name: 'mlp',
    model: (optimizer) => mlp({inputShape: [12], units: [16, 16], classes: 5, seed: 1, optimizer}),
    data: {xs: [floats(1, SAMPLES, 12)], ys: [integers(2, 5, SAMPLES, 1)]},
    batchSize: BATCH,
  },
  {
    name: 'convnet',
    model: (optimizer) => convnet({seed: 1, optimizer}),
    data: {xs: [bytes(1, SAMPLES, 28, 28, 1)], ys: [integers(2, 10, SAMPLES, 1)]},
    batchSize: BATCH,
  },
  {
    name: 'driving net',
    model: (optimizer) => drivingNet({seed: 1, optimizer}),
    data: {xs: [bytes(1, SAMPLES, 48, 64, 3)], ys: [floats(2, SAMPLES, 1)]},
    batchSize: BATCH,
  },
  {
    name: 'transformer',
    model: (optimizer) =>
      transformer({layers: 2, hidden: 16, heads: 4, vocab: 20, sequence: 6, seed: 1, optimizer}),
    data: {xs: [integers(1, 20, SAMPLES, 6)], ys: [integers(2, 20, SAMPLES, 6, 1)]},
    batchSize: BATCH,
  },
  {
    name: 'transformer with a tied embedding',
    // Not seed 1: there one ReLU unit is at rest until step 6, when rounding decides whether it
    // wakes; Adam takes a whole step on it.
    model: (optimizer) =>
      transformer({
        layers: 1,
        hidden: 16,
        heads: 2,
        vocab: 20,
        sequence: 6,
        tied: true,
        seed: 2,
        optimizer,
      }),
    data: {xs: [integers(1, 20, SAMPLES, 6)], ys: [integers(2, 20, SAMPLES, 6, 1)]},
    batchSize: BATCH,
  },
];

/** What a walk over layers may stumble over. */
export const SHAPE_CASES: ParityCase[] = [
  {
    name: 'two inputs, two outputs, a skip connection',
    model: functional('branches', () => {
      const a = tf.input({shape: [6], name: 'a'});
      const b = tf.input({shape: [4], name: 'b'});
      const left = dense('left', 8, {activation: 'tanh'}).apply(a) as tf.SymbolicTensor;
      const right = dense('right', 8, {activation: 'sigmoid'}).apply(b) as tf.SymbolicTensor;
      const sum = tf.layers.add({name: 'sum'}).apply([left, right]) as tf.SymbolicTensor;
      const joined = tf.layers
        .concatenate({name: 'joined'})
        .apply([sum, left]) as tf.SymbolicTensor;
      const first = dense('first', 1).apply(joined) as tf.SymbolicTensor;
      const second = dense('second', 3, {activation: 'softmax'}).apply(sum) as tf.SymbolicTensor;
      return {
        inputs: [a, b],
        outputs: [first, second],
        loss: ['meanSquaredError', 'sparseCategoricalCrossentropy'],
        metrics: ['accuracy'],
      };
    }),
    data: {
      xs: [floats(1, SAMPLES, 6), floats(2, SAMPLES, 4)],
      ys: [floats(3, SAMPLES, 1), integers(4, 3, SAMPLES, 1)],
    },
    batchSize: BATCH,
  },
  {
    name: 'one layer used twice, and added to itself',
    model: functional('shared', () => {
      const input = tf.input({shape: [6], name: 'x'});
      const shared = dense('shared', 6, {activation: 'relu'});
      const once = shared.apply(input) as tf.SymbolicTensor;
      const twice = shared.apply(once) as tf.SymbolicTensor;
      const doubled = tf.layers.add({name: 'doubled'}).apply([twice, twice]) as tf.SymbolicTensor;
      return {
        inputs: [input],
        outputs: [dense('out', 1).apply(doubled) as tf.SymbolicTensor],
        loss: 'meanSquaredError',
      };
    }),
    data: {xs: [floats(1, SAMPLES, 6)], ys: [floats(2, SAMPLES, 1)]},
    batchSize: BATCH,
  },
  {
    name: 'a model inside a model, a frozen layer, a penalty on weights',
    model: functional('nested', () => {
      const inner = tf.sequential({name: 'inner'});
      inner.add(
        dense('inner_1', 8, {inputShape: [6], activation: 'elu', kernelRegularizer: 'l1l2'}),
      );
      inner.add(dense('inner_2', 5, {trainable: false}));
      const input = tf.input({shape: [6], name: 'x'});
      const middle = inner.apply(input) as tf.SymbolicTensor;
      return {
        inputs: [input],
        outputs: [
          dense('out', 1, {kernelRegularizer: tf.regularizers.l2({l2: 0.02})}).apply(
            middle,
          ) as tf.SymbolicTensor,
        ],
        loss: 'meanSquaredError',
      };
    }),
    data: {xs: [floats(1, SAMPLES, 6)], ys: [floats(2, SAMPLES, 1)]},
    batchSize: BATCH,
  },
  {
    name: 'batch norm, layer norm, pooling, a linear activation',
    model: (optimizer) => {
      const model = tf.sequential({name: 'norms'});
      model.add(
        tf.layers.conv2d({
          name: 'conv',
          filters: 4,
          kernelSize: 3,
          inputShape: [8, 8, 2],
          useBias: false,
          kernelInitializer: kernel('conv'),
        }),
      );
      model.add(tf.layers.batchNormalization({name: 'norm'}));
      model.add(tf.layers.activation({name: 'act', activation: 'relu'}));
      model.add(tf.layers.maxPooling2d({name: 'pool', poolSize: 2}));
      model.add(tf.layers.flatten({name: 'flat'}));
      model.add(tf.layers.layerNormalization({name: 'layer_norm'}));
      model.add(tf.layers.activation({name: 'through', activation: 'linear'}));
      model.add(dense('out', 2));
      model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mse']});
      return model;
    },
    data: {xs: [floats(1, SAMPLES, 8, 8, 2)], ys: [floats(2, SAMPLES, 2)]},
    batchSize: BATCH,
  },
  {
    name: 'a masked embedding into an LSTM, with validation',
    model: (optimizer) => {
      const model = tf.sequential({name: 'recurrent'});
      model.add(
        tf.layers.embedding({
          name: 'words',
          inputDim: 12,
          outputDim: 5,
          inputLength: 6,
          maskZero: true,
          embeddingsInitializer: tf.initializers.randomUniform({
            minval: -0.5,
            maxval: 0.5,
            seed: 3,
          }),
        }),
      );
      model.add(
        tf.layers.lstm({
          name: 'lstm',
          units: 6,
          kernelInitializer: kernel('lstm'),
          recurrentInitializer: kernel('recurrent'),
        }),
      );
      model.add(dense('out', 3, {activation: 'softmax'}));
      model.compile({optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy']});
      return model;
    },
    data: {xs: [integers(1, 12, SAMPLES, 6)], ys: [oneHot(integers(2, 3, SAMPLES), 3)]},
    batchSize: BATCH,
    options: {validationSplit: 0.25},
  },
  {
    name: 'class weights',
    model: (optimizer) => mlp({inputShape: [6], units: [8], classes: 3, seed: 2, optimizer}),
    data: {xs: [floats(1, SAMPLES, 6)], ys: [integers(2, 3, SAMPLES, 1)]},
    batchSize: BATCH,
    options: {classWeight: {0: 1, 1: 2.5, 2: 0.5}},
  },
];

/** The first case whose name begins so. */
export const caseOf = (name: string): ParityCase =>
  [...COURSE_CASES, ...SHAPE_CASES].find((one) => one.name.startsWith(name))!;

function oneHot({values, shape}: ShapedArray, classes: number): ShapedArray {
  const out = new Float32Array(values.length * classes);
  values.forEach((value, i) => (out[i * classes + value] = 1));
  return {values: out, shape: [...shape, classes]};
}

/** A pair of Dense layers with penalties, of which one end of the second is odd. */
export const PENALTIES: ParityCase = {
  ...SHAPE_CASES.find(({name}) => name.startsWith('a model inside'))!,
  name: 'penalties on divided and on whole weights, odd widths',
  options: {validationSplit: 0.25},
  model: (optimizer) => {
    const model = tf.sequential({name: 'penalties'});
    const seed = 5;
    model.add(
      tf.layers.dense({
        name: 'up',
        units: 7,
        inputShape: [6],
        activation: 'elu',
        kernelRegularizer: 'l1l2',
        biasRegularizer: tf.regularizers.l2({l2: 0.1}),
        kernelInitializer: tf.initializers.glorotUniform({seed}),
      }),
    );
    model.add(
      tf.layers.dense({
        name: 'down',
        units: 5,
        activation: 'tanh',
        kernelRegularizer: 'l1l2',
        biasRegularizer: tf.regularizers.l2({l2: 0.1}),
        biasInitializer: tf.initializers.constant({value: 0.5}),
        kernelInitializer: tf.initializers.glorotUniform({seed}),
      }),
    );
    model.add(
      tf.layers.dense({
        name: 'out',
        units: 1,
        kernelRegularizer: 'l1l2',
        kernelInitializer: tf.initializers.glorotUniform({seed}),
      }),
    );
    model.compile({optimizer, loss: 'meanSquaredError'});
    return model;
  },
};

/**
 * What every position has of its own, what needs all of them, and a tensor that is added to itself.
 */
export const POSITIONS: ParityCase = {
  ...COURSE_CASES.find(({name}) => name === 'transformer')!,
  name: 'penalties on weights that see their own positions',
  options: {validationSplit: 0.25},
  model: (optimizer) => {
    const l2 = () => tf.regularizers.l2({l2: 0.05});
    const dense = (name: string, units: number, activation?: 'relu') =>
      tf.layers.dense({
        name,
        units,
        activation,
        kernelRegularizer: l2(),
        biasRegularizer: l2(),
        biasInitializer: tf.initializers.constant({value: 0.3}),
        kernelInitializer: tf.initializers.glorotUniform({seed: 3}),
      });
    const tokens = tf.input({shape: [6], dtype: 'int32'});
    let x = tf.layers
      .embedding({
        name: 'table',
        inputDim: 20,
        outputDim: 8,
        embeddingsInitializer: tf.initializers.randomUniform({minval: -1, maxval: 1, seed: 2}),
      })
      .apply(tokens) as tf.SymbolicTensor;
    x = tf.layers.layerNormalization({name: 'own', axis: -1}).apply(x) as tf.SymbolicTensor;
    x = tf.layers.add({name: 'twice'}).apply([x, x]) as tf.SymbolicTensor;
    x = dense('down', 8).apply(dense('up', 12, 'relu').apply(x)) as tf.SymbolicTensor;
    x = tf.layers.layerNormalization({name: 'all', axis: [1, 2]}).apply(x) as tf.SymbolicTensor;
    const model = tf.model({
      inputs: tokens,
      outputs: tf.layers
        .dense({
          name: 'out',
          units: 20,
          activation: 'softmax',
          kernelInitializer: tf.initializers.glorotUniform({seed: 4}),
        })
        .apply(x) as tf.SymbolicTensor,
    });
    model.compile({optimizer, loss: 'sparseCategoricalCrossentropy'});
    return model;
  },
};
