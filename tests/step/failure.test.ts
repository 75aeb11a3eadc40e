/** A step that fails leaves nothing behind, and the next step works. */
import {describe, expect, it} from 'vitest';
import {tf} from '#lib/devices/register.js';
import {Stepper} from '#lib/step/trainStep.js';

type Tensor = import('@tensorflow/tfjs').Tensor;

/** Passes its input on, or fails where `failing` says so. */
class Fragile extends tf.layers.Layer {
  static className = 'Fragile';
  failing: 'never' | 'forward' | 'backward' = 'never';
  override call(inputs: Tensor | Tensor[]): Tensor {
    const [x] = Array.isArray(inputs) ? inputs : [inputs];
    if (this.failing === 'forward') throw new Error('the layer is broken');
    const pass = tf.customGrad((value, save) => {
      (save as (tensors: Tensor[]) => void)([value as Tensor]);
      return {
        value: tf.clone(value as Tensor),
        gradFunc: (dy: Tensor) => {
          if (this.failing === 'backward') throw new Error('the gradient is broken');
          return tf.clone(dy);
        },
      };
    });
    return pass(x);
  }
}

describe.each(['none', 'block'] as const)('a step that fails, recompute %s', (recompute) => {
  it.each(['forward', 'backward'] as const)('in its %s frees its tensors', async (failing) => {
    const fragile = new Fragile({name: 'block/fragile'});
    const model = tf.sequential({
      layers: [
        tf.layers.dense({name: 'block/first', units: 4, inputShape: [3], activation: 'relu'}),
        tf.layers.dense({name: 'block/second', units: 4}),
        fragile,
        tf.layers.dense({units: 1}),
      ],
    });
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    const stepper = new Stepper(model, {seed: 1, recompute});
    const step = (index: number) =>
      stepper.step(index, [
        {
          samples: 2,
          firstSample: 0,
          share: 1,
          make: () => ({
            xs: [tf.ones([2, 3])],
            ys: [tf.ones([2, 1])],
            weights: [null],
            samples: 2,
          }),
        },
      ]);
    await step(0);
    const {numTensors} = tf.memory();
    fragile.failing = failing;
    await expect(step(1)).rejects.toThrow(/is broken/);
    expect(tf.memory().numTensors).toBe(numTensors);
    fragile.failing = 'never';
    const [loss] = await step(1);
    expect(loss).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});
