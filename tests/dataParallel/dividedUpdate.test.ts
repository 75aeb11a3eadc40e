import {describe, expect, it} from 'vitest';
import {ArrayTensor} from '#lib/devices/arrayTensor.js';
import {addScaled} from '#lib/collectives/kernels.js';
import {createRegion} from '#lib/workers/sharedRegion.js';
import {
  mlp,
  mnist,
  tf,
  train,
  trainParallel,
  type TrainParallelOptions,
} from '#lib/public/course.js';

describe('addScaled', () => {
  it('has the bits of a float product and a float sum, at any length', () => {
    for (const length of [0, 1, 15, 2048, 4099]) {
      const into = Float32Array.from({length}, (_, i) => Math.sin(i));
      const from = Float32Array.from({length}, (_, i) => Math.cos(3 * i));
      const expected = into.map((value, i) =>
        Math.fround(value + Math.fround(Math.fround(-0.1) * from[i])),
      );
      addScaled(into, from, -0.1);
      expect(into).toEqual(expected);
    }
  });
});

describe('ArrayTensor', () => {
  it('takes tensors into the array and shows the array as a tensor', () => {
    const region = createRegion(4 * 64);
    const flat = new Float32Array(region.buffer);
    // One index serves all of a process.
    new ArrayTensor(new Float32Array(16)).dispose();
    const before = tf.memory().numTensors;
    for (const view of [
      new ArrayTensor(flat.subarray(16, 32)),
      new ArrayTensor(flat.subarray(33, 36)),
      new ArrayTensor(new Float32Array(0)),
    ]) {
      const {length} = view.values;
      const given = tf.range(1, length + 1);
      view.fill(given);
      expect([...view.values]).toEqual([...given.dataSync()]);
      if (view.shared) view.values[0] = 9;
      const shown = view.tensor([length]);
      expect([...shown.dataSync()]).toEqual([...view.values]);
      tf.dispose([given, shown]);
      view.dispose();
    }
    expect([...flat.subarray(0, 16)].every((value) => value === 0)).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
    region.close();
  });
});

describe('the divided update', () => {
  const data = mnist({train: 64, test: 0, flat: true}).train;
  const operations = async (model: tf.LayersModel, options: TrainParallelOptions = {}) => {
    const {traffic} = await trainParallel(model, data, {
      batchSize: 32,
      devices: ['cpu', 'cpu'],
      strategy: 'dataParallel',
      verbose: 0,
      ...options,
    });
    return {traffic, names: traffic.filter(({rank}) => rank === 0).map(({operation}) => operation)};
  };

  it('sends as much as an all-reduce, half as gradients and half as weights', async () => {
    const model = mlp({seed: 1, units: [32]});
    const {traffic} = await operations(model);
    const steps = 2;
    const bytes = 4 * model.countParams();
    for (const rank of [0, 1]) {
      const lines = traffic.filter(
        (line) => line.rank === rank && /gradients|updated weights/.test(line.operation),
      );
      expect(lines.map(({operation}) => operation)).toEqual(
        expect.arrayContaining(['reduceScatter gradients', 'allGather updated weights']),
      );
      expect(lines.reduce((sum, {sent}) => sum + sent, 0)).toBe(steps * bytes);
    }
  });

  it('moves the weights as one device does', async () => {
    const same = {shuffle: false, seed: 1, verbose: 0} as const;
    const [alone, divided] = [mlp({seed: 1, units: [32]}), mlp({seed: 1, units: [32]})];
    const before = alone.getWeights().map((weight) => [...weight.dataSync()]);
    await train(alone, data, {...same, batchSize: 32});
    expect((await operations(divided, same)).names).toContain('allGather updated weights');
    const after = divided.getWeights().map((weight) => [...weight.dataSync()]);
    const furthest = (a: number[][], b: number[][]) =>
      a.map((values, i) =>
        values.reduce((most, value, j) => Math.max(most, Math.abs(value - b[i][j])), 0),
      );
    const expected = alone.getWeights().map((weight) => [...weight.dataSync()]);
    for (const distance of furthest(after, expected)) expect(distance).toBeLessThan(1e-6);
    for (const distance of furthest(after, before)) expect(distance).toBeGreaterThan(1e-4);
  });

  it('is left where an optimizer keeps state, or the whole gradient is wanted', async () => {
    expect((await operations(mlp({seed: 1, units: [32], optimizer: 'adam'}))).names).toContain(
      'allReduce gradients',
    );
    expect((await operations(mlp({seed: 1, units: [32]}), {globalClipNorm: 1})).names).toContain(
      'allReduce gradients',
    );
    const penalized = tf.sequential({
      layers: [
        tf.layers.dense({
          inputShape: [784],
          units: 10,
          activation: 'softmax',
          kernelRegularizer: 'l1l2',
        }),
      ],
    });
    penalized.compile({optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy'});
    expect((await operations(penalized)).names).toContain('allReduce gradients');
  });
});
