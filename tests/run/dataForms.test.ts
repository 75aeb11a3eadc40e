import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {Data} from '#lib/base/arrays.js';
import {train} from '#lib/run/train.js';
import type {TrainOptions} from '#lib/config/options.js';
import {refusal} from '../helpers/refusal';
import {temporaryFolder} from '../helpers/folders';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';

const dense = (name: string, units: number) =>
  tf.layers.dense({
    name,
    units,
    kernelInitializer: tf.initializers.glorotUniform({seed: units}),
  });

/** Two inputs, 'left' and 'right', and two outputs, 'sum' and 'kind'. */
function model(): tf.LayersModel {
  const left = tf.input({shape: [3], name: 'left'});
  const right = tf.input({shape: [2], name: 'right'});
  const both = tf.layers
    .concatenate({name: 'both'})
    .apply([dense('a', 4).apply(left), dense('b', 5).apply(right)] as tf.SymbolicTensor[]);
  const outputs = [dense('sum', 1), dense('kind', 2)].map(
    (layer) => layer.apply(both as tf.SymbolicTensor) as tf.SymbolicTensor,
  );
  const made = tf.model({inputs: [left, right], outputs});
  made.compile({optimizer: tf.train.sgd(0.05), loss: ['meanSquaredError', 'meanSquaredError']});
  return made;
}

const uniform = (seed: number, ...shape: number[]) =>
  tf.randomUniform(shape, -1, 1, 'float32', seed);
const [left, right, sum, kind] = [
  uniform(1, 12, 3),
  uniform(2, 12, 2),
  uniform(3, 12, 1),
  uniform(4, 12, 2),
];
const xs = {left, right};
const ys = {sum, kind};
const quiet = {verbose: 0, seed: 1, threads: 1, shuffle: false, batchSize: 5} as const;
const refused = async (data: unknown, options: TrainOptions = {}) =>
  refusal(train(model(), data as Data, {...quiet, ...options}));

describe('data by name', () => {
  const losses = async (data: Data, options: TrainOptions = {}) =>
    (await train(model(), data, {...quiet, epochs: 2, ...options})).history.history;

  it('trains as fit does, whatever the order of the names, and validates', async () => {
    const validationData = [
      {right, left},
      {kind, sum},
    ] as [typeof xs, typeof ys];
    const fit = await model().fit(xs, ys, {batchSize: 5, epochs: 2, shuffle: false, verbose: 0});
    const lists = {xs: [left, right], ys: [sum, kind]};
    const validated = await losses(lists, {validationData: lists});
    const forms: Array<[Data, TrainOptions['validationData']]> = [
      [{xs: {right, left}, ys: {kind, sum}}, validationData],
      [
        {xs: [left, right], ys},
        {xs, ys: [sum, kind]},
      ],
    ];
    for (const [data, validation] of forms) {
      const ours = await losses(data, {validationData: validation});
      expect(ours).toEqual(validated);
      for (const [name, values] of Object.entries(fit.history))
        values.forEach((value, i) => expect(ours[name][i]).toBeCloseTo(value as number, 5));
    }
  });

  it('comes out of a module too', async () => {
    const file = join(temporaryFolder('data'), 'named.cjs');
    const array = (tensor: tf.Tensor) =>
      `{values: Float32Array.from(${JSON.stringify([...tensor.dataSync()])}), shape: [${tensor.shape}]}`;
    writeFileSync(
      file,
      `module.exports = () => ({xs: {right: ${array(right)}, left: ${array(left)}}, ys: {kind: ${array(kind)}, sum: ${array(sum)}}});`,
    );
    expect((await losses({module: file})).loss).toEqual((await losses({xs, ys})).loss);
  });

  it.each<[string, unknown, RegExp]>([
    [
      'a missing input',
      {xs: {left}, ys},
      /data\.xs has no array for the input 'right': the model's inputs are 'left', 'right'/,
    ],
    ['a null output', {xs, ys: {sum, kind: null}}, /data\.ys has no array for the output 'kind'/],
    [
      'a mistyped name',
      {xs: {left, rihgt: right}, ys},
      /data\.xs names 'rihgt'.*Did you mean 'right'\?/,
    ],
    ['an extra name', {xs: {left, right, third: left}, ys}, /names 'third', which is no input/],
    [
      'an output as an input',
      {xs, ys: {sum, left}},
      /data\.ys names 'left', which is no output of the model: the model's outputs are 'sum', 'kind'/,
    ],
    [
      'numbers',
      {xs: {left: [[1, 2, 3]], right}, ys},
      /data\.xs\.left is a JavaScript array of numbers: make a tensor/,
    ],
  ])('refuses %s', async (_, data, message) => {
    const error = await refused(data);
    expect(error.code).toBe('BAD_DATA');
    expect(error.message).toMatch(message);
    const {xs: vx, ys: vy} = data as {xs: typeof xs; ys: typeof ys};
    const validation = await refused({xs, ys}, {validationData: [vx, vy]});
    expect(validation.code).toBe('BAD_DATA');
    expect(validation.message).toContain('validationData');
  });
});

describe('what is no data', () => {
  const gone = tf.ones([12, 3]);
  gone.dispose();
  it.each<[string, unknown, RegExp]>([
    [
      'a Dataset',
      tf.data.zip({xs: tf.data.array([[1]]), ys: tf.data.array([[1]])}).batch(1),
      /data is a tf\.data\.Dataset, which cannot cross.*\{xs, ys\}.*\{module: /,
    ],
    ['a generator', (function* () {})(), /data is an iterator/],
    [
      'a disposed tensor',
      {xs: [gone, right], ys},
      /data\.xs\[0\] is a tensor that has been disposed of/,
    ],
    [
      'a bare typed array',
      {xs: [new Float32Array(36), right], ys},
      /data\.xs\[0\] is a Float32Array of length 36, which has no shape: give \{values, shape/,
    ],
    ['nested arrays', {xs: [[1, 2, 3]], ys}, /data\.xs is a JavaScript array of numbers/],
    ['text', {xs: tf.tensor1d(['a']), ys}, /tensor of type string/],
  ])('%s is named, with what to do', async (_, data, message) => {
    const error = await refused(data);
    expect(error.code).toBe('BAD_DATA');
    expect(error.message).toMatch(message);
  });

  it('a Dataset as validationData', async () => {
    const dataset = tf.data.array([[1]]) as never;
    expect((await refused({xs, ys}, {validationData: dataset})).message).toMatch(
      /validationData is a tf\.data\.Dataset/,
    );
  });
});
