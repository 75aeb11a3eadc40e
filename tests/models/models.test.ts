import {describe, expect, it} from 'vitest';
import {drivingFrames} from '#lib/data/driving.js';
import {mnist} from '#lib/data/mnist.js';
import {textCorpus} from '#lib/data/text.js';
import {tf} from '#lib/devices/register.js';
import {convnet, drivingNet, mlp, transformer} from '#lib/models/index.js';
import {tensorOf, weightBits} from './tensors.js';

type Model = import('@tensorflow/tfjs').LayersModel;

const makers: [string, (seed?: number) => Model][] = [
  ['mlp', (seed) => mlp({units: [12, 8], dropout: 0.1, seed})],
  ['mlp of pictures', (seed) => mlp({inputShape: [28, 28, 1], units: [], seed})],
  ['convnet', (seed) => convnet({filters: [3, 4], dropout: 0.1, seed})],
  ['convnet without batch norm', (seed) => convnet({filters: [3], batchNorm: false, seed})],
  ['drivingNet', (seed) => drivingNet({filters: [3, 4], units: 5, dropout: 0.1, seed})],
  [
    'transformer',
    (seed) =>
      transformer({layers: 2, hidden: 8, heads: 2, vocab: 11, sequence: 6, dropout: 0.1, seed}),
  ],
  [
    'transformer, tied',
    (seed) =>
      transformer({layers: 1, hidden: 8, heads: 2, vocab: 11, sequence: 6, tied: true, seed}),
  ],
];

/** The values of all weights but biases, gains and averages, which begin as zeros or ones. */
const kernels = (model: Model) =>
  model
    .getWeights()
    .filter((weight) => weight.rank > 1)
    .map((weight) => weight.dataSync() as Float32Array);

/** Random inputs and targets of a model's shapes. */
function batch(
  model: Model,
  samples: number,
): {x: import('@tensorflow/tfjs').Tensor; y: import('@tensorflow/tfjs').Tensor} {
  const shape = (dims: (number | null)[]) => [samples, ...(dims.slice(1) as number[])];
  const output = shape(model.outputs[0].shape);
  const tokens = model.inputs[0].dtype === 'int32';
  const classes = output[output.length - 1];
  const input = shape(model.inputs[0].shape);
  return {
    x: tokens
      ? tf.cast(tf.floor(tf.randomUniform(input, 0, classes, 'float32', 1)), 'int32')
      : tf.randomUniform(input, 0, 1, 'float32', 1),
    y:
      classes === 1
        ? tf.randomUniform(output, -1, 1, 'float32', 2)
        : tf.floor(tf.randomUniform([...output.slice(0, -1), 1], 0, classes, 'float32', 2)),
  };
}

describe.each(makers)('%s', (_, make) => {
  it('has the same names and bits for the same seed, whatever was made before, and others for another', () => {
    const [one, same, other] = [make(3), make(3), make(4)];
    const names = (model: Model) => [
      model.name,
      ...model.layers.map((layer) => layer.name),
      ...model.inputNames,
    ];
    expect(names(same)).toEqual(names(one));
    expect(weightBits(same)).toEqual(weightBits(one));
    expect(kernels(one).length).toBeGreaterThan(0);
    kernels(other).forEach((values, i) => expect(values).not.toEqual(kernels(one)[i]));
  });
  it('gives no two kernels the same numbers', () => {
    const model = make(3);
    const starts = kernels(model).map((values) => values.subarray(0, 4).join());
    expect(new Set(starts).size).toBe(starts.length);
  });
  it('comes back from its description, with the same outputs for the same weights', async () => {
    const model = make(3);
    const again = await tf.models.modelFromJSON(JSON.parse(model.toJSON() as string));
    expect(
      again.layers.map((layer) => [layer.name, layer.getClassName(), layer.getConfig()]),
    ).toEqual(model.layers.map((layer) => [layer.name, layer.getClassName(), layer.getConfig()]));
    expect(weightBits(again)).toEqual(weightBits(model));
    again.setWeights(model.getWeights());
    const {x} = batch(model, 3);
    expect((again.predict(x) as import('@tensorflow/tfjs').Tensor).dataSync()).toEqual(
      (model.predict(x) as import('@tensorflow/tfjs').Tensor).dataSync(),
    );
  });
  it('has a gradient for every parameter: none whose true gradient is zero', () => {
    const model = make(3);
    const {x, y} = batch(model, 16);
    const weights = model.trainableWeights.map(
      (weight) => weight.read() as import('@tensorflow/tfjs').Variable,
    );
    // A Sequential keeps what it was compiled with in a model inside.
    type Compiled = {
      lossFunctions: ((target: unknown, output: unknown) => import('@tensorflow/tfjs').Tensor)[];
    };
    const loss = ((model as unknown as {model?: Compiled}).model ?? (model as unknown as Compiled))
      .lossFunctions[0];
    const {grads, value} = tf.variableGrads(
      () => tf.mean(loss(y, model.apply(x, {training: true}))) as import('@tensorflow/tfjs').Scalar,
      weights,
    );
    expect(value.dataSync()[0]).toBeGreaterThan(0);
    const sizes = weights.map((weight) => tf.max(tf.abs(grads[weight.name])).dataSync()[0]);
    const largest = Math.max(...sizes);
    weights.forEach((weight, i) => expect(sizes[i] / largest, weight.name).toBeGreaterThan(1e-5));
  });
});

describe('parameters are as many as the formulas say', () => {
  it('mlp', () => {
    expect(mlp().countParams()).toBe(785 * 1024 + 1025 * 1024 + 1025 * 10);
    expect(mlp().countParams()).toBe(1_863_690);
    expect(mlp({inputShape: [4, 5], units: [6, 7, 8], classes: 9}).countParams()).toBe(
      21 * 6 + 7 * 7 + 8 * 8 + 9 * 9,
    );
  });
  it('convnet', () => {
    const formula = (
      side: number,
      channels: number,
      filters: number[],
      classes: number,
      batchNorm: boolean,
    ) => {
      let total = 0;
      for (const count of filters) {
        total += 9 * channels * count + (batchNorm ? 4 : 1) * count;
        channels = count;
        side = Math.ceil(side / 2);
      }
      return total + (side * side * channels + 1) * classes;
    };
    expect(convnet().countParams()).toBe(formula(28, 1, [16, 32], 10, true));
    expect(convnet().countParams()).toBe(20_634);
    expect(
      convnet({
        inputShape: [9, 9, 2],
        filters: [3, 4, 5],
        classes: 6,
        batchNorm: false,
      }).countParams(),
    ).toBe(formula(9, 2, [3, 4, 5], 6, false));
  });
  it('drivingNet', () => {
    expect(drivingNet().countParams()).toBe(
      76 * 12 + (25 * 12 + 1) * 24 + (25 * 24 + 1) * 32 + (6 * 8 * 32 + 1) * 64 + 65,
    );
    expect(drivingNet().countParams()).toBe(125_801);
  });
  it.each([
    {layers: 2, hidden: 64, heads: 4, ffn: 256, vocab: 96, sequence: 64, tied: false},
    {layers: 3, hidden: 12, heads: 3, ffn: 20, vocab: 17, sequence: 9, tied: false},
    {layers: 1, hidden: 8, heads: 8, ffn: 32, vocab: 10, sequence: 5, tied: true},
  ])('transformer %j', (options) => {
    const {layers, hidden: h, ffn: f, vocab, sequence, tied} = options;
    const formula =
      vocab * h +
      sequence * h +
      layers * (4 * h * h + 2 * h * f + f + 5 * h) +
      2 * h +
      (tied ? 0 : h * vocab);
    expect(transformer(options).countParams()).toBe(formula);
  });
  it('transformer by default', () => {
    expect(transformer().countParams()).toBe(115_968);
  });
});

describe('each model learns', () => {
  const fit = async (
    model: Model,
    data: {xs: Parameters<typeof tensorOf>[0]; ys: Parameters<typeof tensorOf>[0]},
    epochs: number,
    batchSize: number,
  ) => {
    const [xs, ys] = [tensorOf(data.xs), tensorOf(data.ys)];
    const {history} = await model.fit(xs, ys, {epochs, batchSize, shuffle: false, verbose: 0});
    tf.dispose([xs, ys]);
    return history as Record<string, number[]>;
  };
  it('mlp: digits', async () => {
    const {loss, acc} = await fit(
      mlp({units: [64], dropout: 0.1, seed: 1}),
      mnist({train: 1000, test: 0, flat: true}).train,
      5,
      50,
    );
    expect(loss[4]).toBeLessThan(0.5 * loss[0]);
    expect(acc[4]).toBeGreaterThan(0.85);
  });
  it('convnet: digits', async () => {
    const {loss, acc} = await fit(
      convnet({filters: [8, 8], seed: 1, optimizer: tf.train.adam(0.005)}),
      mnist({train: 1000, test: 0}).train,
      5,
      50,
    );
    expect(loss[4]).toBeLessThan(0.5 * loss[0]);
    expect(acc[4]).toBeGreaterThan(0.85);
  });
  it('drivingNet: the steering angle, better than its mean', async () => {
    const data = drivingFrames({cars: 3, framesPerCar: 100, seed: 1});
    const steering = data.ys.values as Float32Array;
    const mean = steering.reduce((a, b) => a + b, 0) / steering.length;
    const variance = steering.reduce((a, b) => a + (b - mean) ** 2, 0) / steering.length;
    const {loss} = await fit(drivingNet({seed: 1}), data, 8, 25);
    expect(loss[7]).toBeLessThan(0.3 * variance);
  });
  it.each([[false], [true]])(
    'transformer: the next character, better than by their frequencies (tied: %s)',
    async (tied) => {
      const data = textCorpus({sequence: 32, samples: 256, seed: 1});
      const counts = new Map<number, number>();
      for (const token of data.ys.values) counts.set(token, (counts.get(token) ?? 0) + 1);
      let entropy = 0;
      for (const count of counts.values())
        entropy -= (count / data.ys.values.length) * Math.log(count / data.ys.values.length);
      const model = transformer({
        layers: 1,
        hidden: 32,
        heads: 2,
        sequence: 32,
        dropout: 0.05,
        tied,
        seed: 1,
        optimizer: tf.train.adam(0.01),
      });
      const {loss} = await fit(model, data, 8, 32);
      expect(Math.abs(loss[0] - Math.log(96))).toBeLessThan(1.6);
      expect(loss[7]).toBeLessThan(entropy - 0.2);
    },
  );
});

describe('options', () => {
  it('are checked before anything is built', () => {
    expect(() => mlp({unit: [3]} as object)).toThrow(/no option 'unit'.*'units'/);
    expect(() => mlp({units: [0]})).toThrow(/units must be a list/);
    expect(() => mlp({dropout: 1})).toThrow(/below 1/);
    expect(() => convnet({inputShape: [28, 28]})).toThrow(
      /inputShape must be \[height, width, channels\]/,
    );
    expect(() => drivingNet({inputShape: [1, 2, 3, 4]})).toThrow(/height, width, channels/);
    expect(() => transformer({hidden: 10, heads: 4})).toThrow(/hidden \(10\).*4 heads.*12/);
    expect(() => transformer({layers: 0})).toThrow(/layers must be a whole number from 1;/);
    expect(() => mlp({seed: 0.5})).toThrow(/seed/);
  });
  it('choose optimizer, loss and metrics', () => {
    const model = mlp({
      units: [4],
      optimizer: tf.train.momentum(0.05, 0.9),
      loss: 'categoricalCrossentropy',
      metrics: [],
    });
    expect(model.optimizer.getConfig()).toMatchObject({learningRate: 0.05, momentum: 0.9});
    expect(model.loss).toBe('categoricalCrossentropy');
    expect(model.metricsNames).toEqual(['loss']);
  });
});
