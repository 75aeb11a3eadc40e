/** What stage 3 keeps of the gathered weights. */
import {expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {trainParallel} from '#lib/trainParallel.js';

const WIDTH = 33;
const BLOCKS = 6;
const STEPS = 3;

it.each([1, 2])(
  "stage 3 frees a unit's weights after their use, also where the engine copies them: %i micro-batches",
  async (microBatches) => {
    const dense = (name: string, first: boolean) =>
      tf.layers.dense({
        name,
        units: WIDTH,
        activation: 'tanh',
        ...(first ? {inputShape: [WIDTH]} : {}),
      });
    const model = tf.sequential({
      layers: Array.from({length: BLOCKS}, (_, i) => [
        dense(`block_${i}/up`, i === 0),
        dense(`block_${i}/down`, false),
      ]).flat(),
    });
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const values = new Float32Array(4 * STEPS * WIDTH).fill(0.5);
    const array = {values, shape: [4 * STEPS, WIDTH]};
    const {memory} = await trainParallel(
      model,
      {xs: array, ys: array},
      {
        batchSize: 4,
        microBatches,
        shuffle: false,
        seed: 1,
        verbose: 0,
        devices: ['cpu', 'cpu'],
        strategy: 'fsdp',
      },
    );
    const layer = 4 * (WIDTH * WIDTH + WIDTH);
    for (const {byCategory} of memory) {
      // Two buffers for units of two layers.
      expect(byCategory!.gathered).toBeGreaterThanOrEqual(4 * layer);
      // The engine copies a weight that starts inside a cache line: of the unit in use all but the
      // first, once for the variable and once while it is replaced.
      expect(byCategory!.gathered).toBeLessThanOrEqual(6 * layer);
    }
  },
);
