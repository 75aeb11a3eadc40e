import {describe, expect, it} from 'vitest';
import {tf} from '#lib/devices/register.js';
import type {ManyHandsError} from '#lib/base/errors.js';
import type {TrainOptions} from '#lib/config/options.js';
import {train} from '#lib/run/train.js';

describe('memoryLimit in train', () => {
  const data = {
    xs: {values: new Float32Array(1000 * 100).fill(0.1), shape: [1000, 100]},
    ys: {values: new Float32Array(1000), shape: [1000, 1]},
  };
  const made = () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({units: 500, activation: 'relu', inputShape: [100], name: 'wide'}),
        tf.layers.dense({units: 1, name: 'out'}),
      ],
    });
    model.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
    return model;
  };

  it('the worker refuses a batch that is too large, says in which layer, and trains it in parts', async () => {
    const model = made();
    const options = {
      epochs: 1,
      batchSize: 1000,
      memoryLimit: '3MB',
      verbose: 0,
      devices: 1,
      seed: 1,
    } as const;
    await expect(train(model, data, options)).rejects.toMatchObject({
      code: 'MEMORY_LIMIT',
      message: expect.stringMatching(
        /memoryLimit is 3\.00 MB\. Operation \w+ in layer 'wide' asks for 2\.00 MB \(\[1000, 500\] float32\)/,
      ),
    });
    const {memory} = await train(model, data, {...options, microBatches: 10});
    expect(memory[0].peakBytes).toBeLessThanOrEqual(3e6);
    expect(memory[0].peakBytes).toBeGreaterThan(4 * (100 * 500 + 500 + 500 + 1));
  });

  it('shows the account of the step and what would fit, and each of its words is true', async () => {
    const run = (options: TrainOptions) =>
      train(made(), data, {
        batchSize: 1000,
        memoryLimit: '3MB',
        verbose: 0,
        seed: 1,
        threads: 1,
        ...options,
      });
    const error = (await run({}).catch((thrown: unknown) => thrown)) as ManyHandsError;
    expect(error.message).toMatch(/Alive are parameters 20[\d.]+ kB, activations/);
    expect(error.message).toMatch(
      /The memory estimate of a step with batchSize 1000: [\d.]+ MB at its peak, in the (backward|forward) of 'wide' \(parameters 20\d kB, .*activations [\d.]+ MB/,
    );
    const batchSize = Number(/What would fit: batchSize: (\d+);/.exec(error.message)![1]);
    const microBatches = Number(/microBatches: (\d+)/.exec(error.message)![1]);
    await run({batchSize});
    await run({microBatches});
    await expect(run({batchSize: Math.ceil(1.1 * batchSize)})).rejects.toThrow(/memoryLimit/);
    await expect(run({microBatches: microBatches / 2})).rejects.toThrow(/memoryLimit/);
    await expect(run({memoryLimit: '250kB'})).rejects.toThrow(/memoryLimit/);
  });

  it('says what held how much at the peak, and where that was', async () => {
    const {
      memory: [{peakBytes, byCategory, stateBytes, at, largest, processBytes}],
    } = await train(made(), data, {batchSize: 200, verbose: 0, seed: 1, threads: 1});
    expect(Object.values(byCategory!).reduce((sum, bytes) => sum + bytes, 0)).toBe(peakBytes);
    expect(byCategory!.parameters).toBe(4 * (100 * 500 + 500 + 500 + 1));
    expect(stateBytes).toBe(2 * byCategory!.parameters);
    expect(at).toMatchObject({step: 0, layer: expect.any(String) as string});
    expect(largest[0].bytes).toBeGreaterThanOrEqual(largest[1].bytes);
    expect(largest.some(({category}) => category === 'activations')).toBe(true);
    expect(processBytes).toBeGreaterThan(peakBytes);
  });

  it('refuses a limit that is no size before a worker starts', async () => {
    await expect(
      train(made(), data, {epochs: 1, batchSize: 10, memoryLimit: '3M'}),
    ).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining("'3MB'") as string,
    });
  });
});
