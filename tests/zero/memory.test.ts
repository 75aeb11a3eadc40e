/** What stage 3 keeps of the gathered weights. */
import {expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {trainParallel} from '#lib/trainParallel.js';

const WIDTH = 33;
const LAYERS = 10;
const STEPS = 4;

it("stage 3 frees a unit's weights after their use, also where the engine copies them", async () => {
  // The engine copies a weight out of the gathered buffer where it starts inside a cache line, as
  // the biases do here.
  const model = tf.sequential({
    layers: Array.from({length: LAYERS}, (_, i) =>
      tf.layers.dense({
        name: `block_${i}/dense`,
        units: WIDTH,
        activation: 'tanh',
        ...(i === 0 ? {inputShape: [WIDTH]} : {}),
      }),
    ),
  });
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  const array = {values: new Float32Array(4 * STEPS * WIDTH).fill(0.5), shape: [4 * STEPS, WIDTH]};
  const {memory} = await trainParallel(
    model,
    {xs: array, ys: array},
    {batchSize: 4, shuffle: false, seed: 1, verbose: 0, devices: ['cpu', 'cpu'], strategy: 'fsdp'},
  );
  const buffer = 4 * (WIDTH * WIDTH + WIDTH);
  for (const {byCategory} of memory) {
    expect(byCategory!.gathered).toBeGreaterThanOrEqual(2 * buffer);
    // Two buffers, and the biases of one unit in use and of one that has just been freed.
    expect(byCategory!.gathered).toBeLessThanOrEqual(2 * buffer + 2 * 4 * WIDTH);
  }
});
