import {describe, expect, it} from 'vitest';
import {tf} from '#lib/devices/index.js';
import {train} from '#lib/train.js';

describe('memoryLimit in train', () => {
  const data = {xs: {values: new Float32Array(1000 * 100).fill(0.1), shape: [1000, 100]}, ys: {values: new Float32Array(1000), shape: [1000, 1]}};
  const made = () => {
    const model = tf.sequential({layers: [tf.layers.dense({units: 500, activation: 'relu', inputShape: [100], name: 'wide'}), tf.layers.dense({units: 1, name: 'out'})]});
    model.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
    return model;
  };

  it('the worker refuses a batch that is too large, says in which layer, and trains it in parts', async () => {
    const model = made();
    const options = {epochs: 1, batchSize: 1000, memoryLimit: '3MB', verbose: 0, devices: 1, seed: 1} as const;
    await expect(train(model, data, options)).rejects.toMatchObject({
      code: 'MEMORY_LIMIT',
      message: expect.stringMatching(/memoryLimit is 3\.00 MB\. Operation \w+ in layer 'wide' asks for 2\.00 MB \(\[1000, 500\] float32\)/),
    });
    const {memory} = await train(model, data, {...options, microBatches: 10});
    expect(memory[0].peakBytes).toBeLessThanOrEqual(3e6);
    expect(memory[0].peakBytes).toBeGreaterThan(4 * (100 * 500 + 500 + 500 + 1));
  });

  it('refuses a limit that is no size before a worker starts', async () => {
    await expect(train(made(), data, {epochs: 1, batchSize: 10, memoryLimit: '3M'})).rejects.toMatchObject({code: 'BAD_OPTION', message: expect.stringContaining("'3MB'") as string});
  });
});
