/** tfjs's random operations in the call of a layer: their distributions, and what they depend on. */
import {describe, expect, it} from 'vitest';
import {tf} from '#lib/devices/register.js';
import {withDraws} from '#lib/base/draws.js';
import {Random} from '#lib/base/random.js';
import '#lib/model/randomOps.js';

type Tensor = import('@tensorflow/tfjs').Tensor;
type Tensor2D = import('@tensorflow/tfjs').Tensor2D;
type Layer = import('@tensorflow/tfjs').layers.Layer;
type Draw = (shape: number[]) => Tensor;

const x = (shape: number[]) => tf.ones(shape);
const logits = (rows: number) => tf.tile(tf.tensor2d([[0.5, 1.5, 0]]), [rows, 1]) as Tensor2D;
const layer = (made: Layer): Draw => {
  return (shape) => made.apply(x(shape), {training: true}) as Tensor;
};

const OPERATIONS: Array<[string, Draw]> = [
  ['randomUniform', (shape) => tf.randomUniform(shape, -1, 3)],
  ['randomUniform, whole numbers', (shape) => tf.randomUniform(shape, -2, 9, 'int32')],
  ['randomUniformInt', (shape) => tf.randomUniformInt(shape, 0, 5)],
  ['randomNormal', (shape) => tf.randomNormal(shape, 2, 3)],
  ['randomNormal, whole numbers', (shape) => tf.randomNormal(shape, 0, 3, 'int32')],
  ['randomStandardNormal', (shape) => tf.randomStandardNormal(shape)],
  ['truncatedNormal', (shape) => tf.truncatedNormal(shape, 1, 2)],
  ['randomGamma', (shape) => tf.randomGamma(shape, 2, 3)],
  ['randomGamma below 1', (shape) => tf.randomGamma(shape, 0.5)],
  ['rand', (shape) => tf.rand(shape, () => Math.random() ** 2)],
  ['multinomial', ([rows, columns]) => tf.cast(tf.multinomial(logits(rows), columns), 'float32')],
  ['dropout', (shape) => tf.dropout(x(shape), 0.3)],
  [
    'dropout with a noiseShape',
    ([rows, columns]) => tf.dropout(x([rows, 2, columns]), 0.3, [rows, 1, columns]),
  ],
  ['Dropout', layer(tf.layers.dropout({rate: 0.3}))],
  ['GaussianNoise', layer(tf.layers.gaussianNoise({stddev: 2}))],
  ['GaussianDropout', layer(tf.layers.gaussianDropout({rate: 0.3}))],
  ['AlphaDropout', layer(tf.layers.alphaDropout({rate: 0.3}))],
];

const SEEDED: Array<[string, Draw]> = [
  ['randomUniform', (shape) => tf.randomUniform(shape, -1, 3, 'float32', 5)],
  ['randomUniform with seed 0', (shape) => tf.randomUniform(shape, -1, 3, 'float32', 0)],
  ['randomUniformInt', (shape) => tf.randomUniformInt(shape, 0, 5, 4)],
  ['randomNormal', (shape) => tf.randomNormal(shape, 2, 3, 'float32', 5)],
  ['truncatedNormal', (shape) => tf.truncatedNormal(shape, 1, 2, 'float32', 5)],
  ['randomGamma', (shape) => tf.randomGamma(shape, 2, 3, 'float32', 5)],
  ['dropout', (shape) => tf.dropout(x(shape), 0.3, undefined, 5)],
  ['Dropout', layer(tf.layers.dropout({rate: 0.3, seed: 5}))],
];

const base = {seed: 1, layer: 'noise', step: 2, firstSample: 0};

/** What `draw` gives in a call on the samples from `firstSample`. */
function drawn(draw: Draw, shape: number[], context: object = {}, place = 3): number[] {
  return withDraws({...base, ...context}, {place, samples: shape[0]}, () =>
    tf.tidy(() => [...draw(shape).dataSync()]),
  );
}

/** The correlation of values that are `distance` apart. */
function correlation(values: number[], distance: number): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let product = 0;
  let square = 0;
  for (let i = 0; i < values.length; i++) {
    product += (values[i] - mean) * ((values[i + distance] ?? mean) - mean);
    square += (values[i] - mean) ** 2;
  }
  return product / square;
}

/** Mean, deviation, share of zeros, quantiles, and correlations. */
function moments(values: number[]): Record<string, number> {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (values.length - 1))];
  const deviation = Math.sqrt(square);
  return {
    mean: mean / deviation,
    zeros: values.filter((value) => value === 0).length / values.length,
    neighbours: correlation(values, 1),
    samples: correlation(values, values.length / 200),
    deviation,
    low: at(0.12) / deviation,
    middle: at(0.35) / deviation,
    high: at(0.87) / deviation,
  };
}

/** What tfjs draws itself; it takes its seeds from Math.random. */
function tfjsOwn(draw: Draw, shape: number[]): number[] {
  const {random} = Math;
  const seeds = new Random(1);
  Math.random = () => seeds.uniform();
  try {
    return tf.tidy(() => [...draw(shape).dataSync()]);
  } finally {
    Math.random = random;
  }
}

describe.each(OPERATIONS)('%s', (_, draw) => {
  it("has tfjs's distribution", () => {
    const ours = moments(drawn(draw, [200, 200]));
    const theirs = moments(tfjsOwn(draw, [200, 200]));
    for (const [name, value] of Object.entries(theirs))
      expect(Math.abs(ours[name] - value), name).toBeLessThan(
        0.05 * Math.max(1, name === 'deviation' ? value : 0),
      );
  });
  it('depends on seed, place, draw, step and sample, not on how a batch is divided', () => {
    const whole = drawn(draw, [8, 40]);
    const size = whole.length / 8;
    const parts = [0, 3, 7].map((firstSample, i) => drawn(draw, [[3, 4, 1][i], 40], {firstSample}));
    expect(parts.flat()).toEqual(whole);
    expect(drawn(draw, [8, 40], {layer: 'noise_2'})).toEqual(whole);
    const second = withDraws(base, {place: 3, samples: 8}, () =>
      tf.tidy(() => [draw([8, 40]), draw([8, 40])].map((tensor) => [...tensor.dataSync()])),
    );
    expect(second[0]).toEqual(whole);
    const others = [
      whole,
      second[1],
      drawn(draw, [8, 40], {seed: 2}),
      drawn(draw, [8, 40], {step: 3}),
      drawn(draw, [8, 40], {validationBatch: 0}),
      drawn(draw, [8, 40], {}, 4),
    ];
    expect(new Set(others.map(String)).size).toBe(others.length);
    expect(whole.slice(0, size)).not.toEqual(whole.slice(size, 2 * size));
  });
});

describe.each(SEEDED)('%s with a seed', (_, draw) => {
  it("draws tfjs's own numbers, those of the samples that it sees", () => {
    const theirs = tf.tidy(() => [...draw([8, 5]).dataSync()]);
    expect(drawn(draw, [8, 5])).toEqual(theirs);
    expect(drawn(draw, [2, 5], {firstSample: 6, step: 9})).toEqual(theirs.slice(30));
  });
});

it('a rank with some of the positions draws the elements of these', () => {
  for (const draw of [
    layer(tf.layers.dropout({rate: 0.3})),
    layer(tf.layers.dropout({rate: 0.3, seed: 5})),
    layer(tf.layers.gaussianNoise({stddev: 1})),
    layer(tf.layers.alphaDropout({rate: 0.3})),
    (shape: number[]) => tf.rand(shape, Math.random),
    (shape: number[]) => tf.truncatedNormal(shape),
  ]) {
    const whole = drawn(draw, [2, 5, 3]);
    const part = drawn(draw, [2, 2, 3], {positions: {start: 3, end: 5, of: 5}});
    expect(part).toEqual([...whole.slice(9, 15), ...whole.slice(24)]);
  }
});

it('Math.random is the same for all samples and ranks in a call, and its own again after it', () => {
  const {random} = Math;
  const numbers = (context: object) =>
    withDraws({...base, ...context}, {place: 0, samples: 2}, () => [Math.random(), Math.random()]);
  const [first, second] = numbers({});
  expect(numbers({firstSample: 6})).toEqual([first, second]);
  expect(first).not.toBe(second);
  expect(numbers({step: 3})).not.toContain(first);
  expect(() =>
    withDraws(base, {place: 0, samples: 2}, () => {
      throw new Error('in the layer');
    }),
  ).toThrow('in the layer');
  expect(Math.random).toBe(random);
});

it('outside of a call tfjs draws its own numbers', () => {
  const draws = [1, 2].map(() => String(tf.tidy(() => tf.randomNormal([4]).dataSync())));
  expect(draws[0]).not.toBe(draws[1]);
  const seeded = [1, 2].map(() =>
    String(tf.tidy(() => tf.randomNormal([4], 0, 1, 'float32', 3).dataSync())),
  );
  expect(seeded[0]).toBe(seeded[1]);
});
