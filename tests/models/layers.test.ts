import {describe, expect, it} from 'vitest';
import {dropoutMask} from '#lib/base/dropoutMask.js';
import {nextDraw, withDraws} from '#lib/base/draws.js';
import {tf} from '#lib/devices/register.js';
import {
  CausalSelfAttention,
  Dropout,
  LayerNorm,
  PositionEmbedding,
  TokenEmbedding,
} from '#lib/models/index.js';
import {drawContext} from '../helpers/draws';

type Tensor = import('@tensorflow/tfjs').Tensor;
type Layer = import('@tensorflow/tfjs').layers.Layer;

const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
const variables = (layer: Layer) =>
  layer.trainableWeights.map((weight) => weight.read() as import('@tensorflow/tfjs').Variable);
const gap = (a: Tensor, b: Tensor) => tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]);
const size = (a: Tensor) => tf.tidy(() => tf.max(tf.abs(a)).dataSync()[0]);

/**
 * The gradients of sum(weight * compute()) by the input and by each variable, as tfjs finds them.
 */
function gradients(
  compute: (x: Tensor) => Tensor,
  x: Tensor,
  weights: import('@tensorflow/tfjs').Variable[],
  shape: number[],
): Tensor[] {
  const weight = random(shape, 99);
  const total = (t: Tensor) =>
    tf.sum(tf.mul(compute(t), weight)) as import('@tensorflow/tfjs').Scalar;
  const byInput = tf.grad(total)(x);
  const {grads} = tf.variableGrads(() => total(x), weights);
  return [byInput, ...weights.map((variable) => grads[variable.name])];
}

function expectSame(got: Tensor[], wanted: Tensor[]): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((t, i) => {
    expect(t.shape).toEqual(wanted[i].shape);
    expect(gap(t, wanted[i])).toBeLessThan(1e-5 * Math.max(1, size(wanted[i])));
  });
}

describe('LayerNorm', () => {
  it("is tfjs's own layer normalization, forward and backward", () => {
    const x = tf.add(tf.mul(random([3, 4, 6], 1), 2), 1);
    const ours = new LayerNorm({name: 'ours', epsilon: 1e-3});
    const theirs = tf.layers.layerNormalization({name: 'theirs', epsilon: 1e-3});
    ours.apply(x);
    theirs.apply(x);
    const weights = [random([6], 2), random([6], 3)];
    ours.setWeights(weights);
    theirs.setWeights(weights);
    expectSame([ours.apply(x) as Tensor], [theirs.apply(x) as Tensor]);
    expectSame(
      gradients((t) => ours.apply(t) as Tensor, x, variables(ours), [3, 4, 6]),
      gradients((t) => theirs.apply(t) as Tensor, x, variables(theirs), [3, 4, 6]),
    );
  });
});

describe('CausalSelfAttention', () => {
  const [samples, sequence, hidden, heads] = [2, 5, 8, 2];
  const headSize = hidden / heads;
  const make = () => {
    const layer = new CausalSelfAttention({name: 'attention', heads, headSize, seed: 4});
    layer.apply(tf.zeros([1, sequence, hidden]));
    return layer;
  };
  /** The definition, a head at a time, in operations whose gradients are tfjs's own. */
  const reference = (x: Tensor, [query, key, value, output]: Tensor[]) => {
    const ahead = tf.linalg.bandPart(tf.ones([sequence, sequence]), -1, 0);
    const rows = tf.reshape(x, [samples * sequence, hidden]);
    const project = (kernel: Tensor) =>
      tf.reshape(tf.matMul(rows, kernel), [samples, sequence, hidden]);
    const [q, k, v] = [query, key, value].map(project);
    const parts = Array.from({length: heads}, (_, head) => {
      const cut = (t: Tensor) => tf.slice(t, [0, 0, head * headSize], [-1, -1, headSize]);
      const scores = tf.div(tf.matMul(cut(q), cut(k), false, true), Math.sqrt(headSize));
      const exponentials = tf.mul(tf.exp(scores), ahead);
      return tf.matMul(tf.div(exponentials, tf.sum(exponentials, -1, true)), cut(v));
    });
    const joined = tf.reshape(tf.concat(parts, -1), [samples * sequence, hidden]);
    return tf.reshape(tf.matMul(joined, output), [samples, sequence, hidden]);
  };
  it('is the definition, forward and backward', () => {
    const layer = make();
    const x = random([samples, sequence, hidden], 5);
    const weights = variables(layer);
    expect(layer.getWeights().map((weight) => weight.shape)).toEqual([
      [8, 8],
      [8, 8],
      [8, 8],
      [8, 8],
    ]);
    expectSame([layer.apply(x) as Tensor], [reference(x, weights)]);
    expectSame(
      gradients((t) => layer.apply(t) as Tensor, x, weights, [samples, sequence, hidden]),
      gradients((t) => reference(t, weights), x, weights, [samples, sequence, hidden]),
    );
  });
  it('never looks ahead', () => {
    const layer = make();
    const x = random([1, sequence, hidden], 5);
    const changed = tf.concat(
      [tf.slice(x, [0, 0, 0], [1, 3, hidden]), random([1, 2, hidden], 6)],
      1,
    );
    const [before, after] = [x, changed].map((t) =>
      tf.slice(layer.apply(t) as Tensor, [0, 0, 0], [1, 3, hidden]),
    );
    expect(gap(before, after)).toBe(0);
  });
  it('is the sum of its heads, each with its own columns and rows of the kernels', () => {
    const layer = make();
    const x = random([samples, sequence, hidden], 5);
    const kernels = layer.getWeights();
    const parts = [0, 1].map((head) => {
      const part = new CausalSelfAttention({name: 'part', heads: 1, headSize, seed: 1});
      part.apply(x);
      part.setWeights(
        kernels.map((kernel, i) =>
          i < 3
            ? tf.slice(kernel, [0, head * headSize], [-1, headSize])
            : tf.slice(kernel, [head * headSize, 0], [headSize, -1]),
        ),
      );
      return part.apply(x) as Tensor;
    });
    expectSame([tf.add(parts[0], parts[1])], [layer.apply(x) as Tensor]);
  });
  it('leaves no tensor behind', () => {
    const layer = make();
    const x = random([samples, sequence, hidden], 5);
    const weights = variables(layer);
    const count = () => tf.memory().numTensors;
    tf.dispose(gradients((t) => layer.apply(t) as Tensor, x, weights, [samples, sequence, hidden]));
    const before = count();
    tf.tidy(
      () =>
        gradients((t) => layer.apply(t) as Tensor, x, weights, [samples, sequence, hidden]).length,
    );
    expect(count()).toBe(before);
  });
});

describe('TokenEmbedding', () => {
  it('looks vectors up, and read backward gives logits with the same table', async () => {
    const layer = new TokenEmbedding({name: 'embedding', vocabulary: 7, hidden: 3, seed: 1});
    const tokens = tf.tensor2d(
      [
        [0, 6, 6],
        [2, 1, 0],
      ],
      [2, 3],
      'int32',
    );
    const vectors = layer.apply(tokens) as Tensor;
    const [table] = variables(layer);
    const rows = (await table.array()) as number[][];
    expect(await vectors.array()).toEqual([
      [rows[0], rows[6], rows[6]],
      [rows[2], rows[1], rows[0]],
    ]);
    expect(await (layer.apply(tf.cast(tokens, 'float32')) as Tensor).array()).toEqual(
      await vectors.array(),
    );
    const logits = layer.apply(vectors) as Tensor;
    expectSame(
      [logits],
      [tf.reshape(tf.matMul(tf.reshape(vectors, [6, 3]), table, false, true), [2, 3, 7])],
    );
  });
  it("gives each row of the table the sum of its tokens' gradients", async () => {
    const layer = new TokenEmbedding({name: 'embedding', vocabulary: 4, hidden: 2, seed: 1});
    const tokens = tf.tensor2d([[0, 3, 3]], [1, 3], 'int32');
    layer.apply(tokens);
    const [table] = variables(layer);
    const weight = tf.tensor3d([
      [
        [1, 2],
        [10, 20],
        [100, 200],
      ],
    ]);
    const {grads} = tf.variableGrads(
      () =>
        tf.sum(tf.mul(layer.apply(tokens) as Tensor, weight)) as import('@tensorflow/tfjs').Scalar,
      [table],
    );
    expect(await grads[table.name].array()).toEqual([
      [1, 2],
      [0, 0],
      [0, 0],
      [110, 220],
    ]);
  });
});

describe('PositionEmbedding', () => {
  it('adds a vector a place, also to a shorter sequence', () => {
    const layer = new PositionEmbedding({name: 'positions', sequence: 4, seed: 1});
    const x = random([2, 4, 3], 2);
    layer.apply(x);
    const [table] = variables(layer);
    expectSame([layer.apply(x) as Tensor], [tf.add(x, table)]);
    const short = random([2, 3, 3], 2);
    expectSame([layer.apply(short) as Tensor], [tf.add(short, tf.slice(table, [0, 0], [3, 3]))]);
    expect(() => layer.apply(random([2, 5, 3], 2))).toThrow(
      /'positions'.*0 to 3.*sequence has length 5/,
    );
  });
});

describe('Dropout', () => {
  const layer = new Dropout({name: 'block_0/dropout_1', rate: 0.4});
  const x = tf.ones([6, 10]);
  it("in a step has the step's mask, whatever part of the batch it sees", async () => {
    const context = {seed: 5, layer: 'block_0/dropout_1', step: 2, firstSample: 0};
    const call = {place: 3, samples: 6};
    const whole = withDraws(context, call, () => layer.apply(x, {training: true}) as Tensor);
    expect([...(await whole.data())]).toEqual([
      ...dropoutMask(nextDraw(drawContext(context, call), [6, 10]), 0.4),
    ]);
    const part = withDraws(
      {...context, firstSample: 4},
      {...call, samples: 2},
      () => layer.apply(tf.ones([2, 10]), {training: true}) as Tensor,
    );
    expect([...(await part.data())]).toEqual([...(await whole.data())].slice(40));
  });
  it("does nothing outside training, and draws a new mask each time in tfjs's own", async () => {
    expect([...(await (layer.apply(x) as Tensor).data())]).toEqual(new Array(60).fill(1));
    const [once, again] = [1, 2].map(() =>
      (layer.apply(x, {training: true}) as Tensor).dataSync().join(),
    );
    expect(once).not.toBe(again);
  });
  it('refuses a rate that is no share', () => {
    expect(() => new Dropout({name: 'd', rate: 1})).toThrow(/below 1/);
  });
});
