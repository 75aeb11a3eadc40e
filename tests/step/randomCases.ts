/**
 * Models of all layers that draw random numbers. Most layers have no name, so that tfjs counts them
 * up: what they draw must not depend on it.
 */
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {Random, seedFor} from '#lib/base/random.js';
import {Dropout} from '#lib/models/index.js';
import type {ParityCase} from '../parity/harness';

/** Two steps, the second of which is smaller. */
const SAMPLES = 12;

function floats(seed: number, ...shape: number[]) {
  const random = new Random(seed);
  const size = shape.reduce((product, length) => product * length, 1);
  return {values: Float32Array.from({length: size}, () => random.uniform(-1, 1)), shape};
}

const init = (what: string) => tf.initializers.glorotUniform({seed: seedFor(7, what)});
const kernels = (what: string) => ({
  kernelInitializer: init(what),
  recurrentInitializer: init(`recurrent ${what}`),
});
const dense = (units: number, more: object = {}) =>
  tf.layers.dense({units, kernelInitializer: init(`dense ${units}`), ...more});

/** Ends a model with two layers that tensor parallelism shards. */
const head = (): tf.layers.Layer[] => [
  dense(6, {name: 'head/up', activation: 'relu'}),
  dense(2, {name: 'head/down'}),
];

function chain(name: string, inputShape: number[], layers: () => tf.layers.Layer[]): ParityCase {
  return {
    name,
    model: (optimizer) => {
      const input = tf.input({shape: inputShape});
      const output = [...layers(), ...head()].reduce(
        (x, layer) => layer.apply(x) as tf.SymbolicTensor,
        input,
      );
      const model = tf.model({inputs: input, outputs: output});
      model.compile({optimizer, loss: 'meanSquaredError'});
      return model;
    },
    data: {xs: [floats(1, SAMPLES, ...inputShape)], ys: [floats(2, SAMPLES, 2)]},
    batchSize: 8,
  };
}

const dropouts = {dropout: 0.3, recurrentDropout: 0.3};

/** The layers inside `layer` that tfjs calls by position. */
const overTime = (layer: tf.layers.Layer) => tf.layers.timeDistributed({layer});

export const RANDOM_CASES: ParityCase[] = [
  chain('noise and dropout', [6], () => [
    tf.layers.gaussianNoise({stddev: 0.4}),
    dense(5),
    tf.layers.gaussianDropout({rate: 0.3}),
    dense(4, {activation: 'tanh'}),
    tf.layers.alphaDropout({rate: 0.3}),
    tf.layers.dropout({rate: 0.3}),
    dense(8),
    new Dropout({name: 'library/dropout', rate: 0.3}),
  ]),
  chain('noise shapes and seeds', [4, 3], () => [
    tf.layers.dropout({rate: 0.4, noiseShape: [null as never, 1, 3]}),
    tf.layers.dropout({rate: 0.4, noiseShape: [1, 4, 1]}),
    tf.layers.spatialDropout1d({rate: 0.4} as never),
    tf.layers.dropout({rate: 0.4, seed: 5}),
    tf.layers.spatialDropout1d({rate: 0.4, seed: 6} as never),
    tf.layers.flatten(),
  ]),
  chain('seeds', [4, 3], () => [
    tf.layers.dropout({rate: 0.4, seed: 5}),
    tf.layers.spatialDropout1d({rate: 0.4, seed: 6} as never),
    tf.layers.dropout({rate: 0.4, noiseShape: [null as never, 1, 3], seed: 7}),
    tf.layers.flatten(),
  ]),
  chain('positions', [4, 3], () => [
    dense(4, {name: 'position/up', activation: 'relu'}),
    dense(3, {name: 'position/down'}),
    tf.layers.gaussianNoise({stddev: 0.3}),
    tf.layers.gaussianDropout({rate: 0.3}),
    tf.layers.alphaDropout({rate: 0.3}),
    tf.layers.dropout({rate: 0.3}),
    tf.layers.dropout({rate: 0.3, seed: 5}),
    tf.layers.spatialDropout1d({rate: 0.3} as never),
    tf.layers.flatten(),
  ]),
  chain('recurrent layers', [2, 4], () => [
    tf.layers.gru({units: 4, returnSequences: true, ...kernels('gru'), ...dropouts}),
    tf.layers.lstm({units: 4, returnSequences: true, ...kernels('lstm'), ...dropouts}),
    tf.layers.bidirectional({
      layer: tf.layers.simpleRNN({
        units: 3,
        returnSequences: true,
        ...kernels('simple'),
        ...dropouts,
      }) as tf.RNN,
      mergeMode: 'concat',
    }),
    overTime(tf.layers.dropout({rate: 0.3})),
    tf.layers.rnn({
      cell: [
        tf.layers.gruCell({units: 3, ...kernels('gru cell'), ...dropouts}),
        tf.layers.lstmCell({units: 3, ...kernels('lstm cell'), ...dropouts}),
      ],
    }) as tf.layers.Layer,
  ]),
  chain('convolutional and nested', [2, 4, 4, 1], () => {
    const shared = tf.layers.dropout({rate: 0.3});
    const inner = tf.sequential({
      layers: [
        tf.layers.gaussianNoise({stddev: 0.3, inputShape: [8]}),
        tf.layers.dense({units: 8, kernelInitializer: init('inner')}),
      ],
    });
    return [
      tf.layers.convLstm2d({filters: 2, kernelSize: 3, ...kernels('convLstm'), ...dropouts}),
      tf.layers.flatten(),
      shared,
      inner,
      shared,
    ];
  }),
];
