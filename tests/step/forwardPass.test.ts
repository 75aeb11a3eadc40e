import {describe, expect, it} from 'vitest';
import {tf} from '#lib/devices/register.js';
import {drivingNet, mlp, transformer} from '#lib/models/index.js';
import {Stepper} from '#lib/step/trainStep.js';

type Model = import('@tensorflow/tfjs').LayersModel;

const SAMPLES = 12;
const models: [
  string,
  () => Model,
  () => {x: import('@tensorflow/tfjs').Tensor; y: import('@tensorflow/tfjs').Tensor},
][] = [
  [
    'mlp',
    () =>
      mlp({inputShape: [10], units: [16, 16], classes: 3, dropout: 0.3, seed: 1, optimizer: 'sgd'}),
    () => ({
      x: tf.randomUniform([SAMPLES, 10], 0, 1, 'float32', 1),
      y: tf.floor(tf.randomUniform([SAMPLES, 1], 0, 3, 'float32', 2)),
    }),
  ],
  [
    'drivingNet',
    () =>
      drivingNet({
        inputShape: [12, 16, 3],
        filters: [4, 4],
        units: 8,
        dropout: 0.3,
        seed: 1,
        optimizer: 'sgd',
      }),
    () => ({
      x: tf.randomUniform([SAMPLES, 12, 16, 3], 0, 1, 'float32', 1),
      y: tf.randomUniform([SAMPLES, 1], -1, 1, 'float32', 2),
    }),
  ],
  [
    'transformer',
    () =>
      transformer({
        hidden: 8,
        heads: 2,
        vocab: 11,
        sequence: 6,
        dropout: 0.3,
        seed: 1,
        optimizer: 'sgd',
      }),
    () => ({
      x: tf.cast(tf.floor(tf.randomUniform([SAMPLES, 6], 0, 11, 'float32', 1)), 'int32'),
      y: tf.floor(tf.randomUniform([SAMPLES, 6, 1], 0, 11, 'float32', 2)),
    }),
  ],
  [
    'transformer, tied',
    () =>
      transformer({
        layers: 1,
        hidden: 8,
        heads: 2,
        vocab: 11,
        sequence: 6,
        dropout: 0.3,
        tied: true,
        seed: 1,
        optimizer: 'sgd',
      }),
    () => ({
      x: tf.cast(tf.floor(tf.randomUniform([SAMPLES, 6], 0, 11, 'float32', 1)), 'int32'),
      y: tf.floor(tf.randomUniform([SAMPLES, 6, 1], 0, 11, 'float32', 2)),
    }),
  ],
];

describe.each(models)('a walked step of the %s with dropout', (_, make, batch) => {
  async function run(parts: number[], seed = 9) {
    const model = make();
    const stepper = new Stepper(model, {seed});
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) {
      const {x, y} = tf.tidy(batch);
      let from = 0;
      const microBatches = parts.map((samples) => {
        const cut = (t: import('@tensorflow/tfjs').Tensor) =>
          tf.slice(
            t,
            [from, ...new Array<number>(t.rank - 1).fill(0)],
            [samples, ...t.shape.slice(1)],
          );
        const micro = {xs: [cut(x)], ys: [cut(y)], weights: [null], samples};
        from += samples;
        return micro;
      });
      tf.dispose([x, y]);
      losses.push(
        (
          await stepper.step(
            step,
            microBatches.map((one, i) => ({
              samples: one.samples,
              firstSample: parts.slice(0, i).reduce((sum, part) => sum + part, 0),
              share: one.samples / SAMPLES,
              make: () => one,
            })),
          )
        )[0],
      );
    }
    return {losses, weights: model.getWeights().map((weight) => weight.dataSync() as Float32Array)};
  }
  const furthest = (a: Float32Array[], b: Float32Array[]) =>
    Math.max(...a.flatMap((values, i) => [...values].map((value, j) => Math.abs(value - b[i][j]))));

  it('does not depend on how the batch is divided', async () => {
    const whole = await run([SAMPLES]);
    const divided = await run([5, 4, 3]);
    whole.losses.forEach((loss, i) =>
      expect(Math.abs(loss - divided.losses[i])).toBeLessThan(1e-5),
    );
    expect(furthest(whole.weights, divided.weights)).toBeLessThan(1e-5);
  });
  it('depends on the seed of the run', async () => {
    const [one, other] = [await run([SAMPLES], 9), await run([SAMPLES], 10)];
    expect(furthest(one.weights, other.weights)).toBeGreaterThan(1e-5);
  });
  it('leaves no tensor behind', async () => {
    await run([SAMPLES]);
    const model = make();
    const stepper = new Stepper(model, {seed: 1});
    const counts: number[] = [];
    for (let step = 0; step < 4; step++) {
      const {x, y} = tf.tidy(batch);
      await stepper.step(step, [
        {
          samples: SAMPLES,
          firstSample: 0,
          share: 1,
          make: () => ({xs: [x], ys: [y], weights: [null], samples: SAMPLES}),
        },
      ]);
      counts.push(tf.memory().numTensors);
    }
    expect(new Set(counts.slice(1)).size).toBe(1);
  });
});
