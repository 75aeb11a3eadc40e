/**
 * A model that is being trained is trained in no other way; samples that a split leaves.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {onRun} from '#lib/base/events.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {refusal} from '../helpers/refusal';

const sequential = () => {
  const model = tf.sequential();
  model.add(tf.layers.dense({units: 1, inputShape: [4]}));
  return model;
};
const functional = () => {
  const input = tf.input({shape: [4]});
  return tf.model({
    inputs: input,
    outputs: tf.layers.dense({units: 1}).apply(input) as tf.SymbolicTensor,
  });
};
const compiled = (make: () => tf.LayersModel) => {
  const model = make();
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  return model;
};
const end = (model: tf.LayersModel) => {
  model.optimizer.dispose();
  model.dispose();
};
const samples = (count: number) => ({
  xs: {values: new Float32Array(4 * count).fill(1), shape: [count, 4]},
  ys: {values: new Float32Array(count), shape: [count, 1]},
});
const quiet = {verbose: 0, threads: 1} as const;

describe.each([
  ['Sequential', sequential],
  ['functional', functional],
])('a %s model that is being trained', (_, make) => {
  const xs = tf.ones([2, 4]);
  const ys = tf.ones([2, 1]);

  it.each(['train', 'trainParallel'] as const)('by %s', async (kind) => {
    const model = compiled(make);
    const errors: string[] = [];
    const refuses = async (act: () => unknown) => {
      try {
        await act();
        errors.push('nothing was refused');
      } catch (error) {
        errors.push((error as Error).message);
      }
    };
    const inner = (model as unknown as {model?: tf.LayersModel}).model ?? model;
    const callbacks = {onEpochEnd: async () => refuses(() => model.fit(xs, ys, {verbose: 0}))};
    const run =
      kind === 'train'
        ? train(model, samples(8), {...quiet, epochs: 2, callbacks})
        : trainParallelOver('inProcess', model, samples(8), {
            ...quiet,
            epochs: 2,
            devices: 2,
            callbacks,
          });
    while (!(inner as unknown as {isTraining: boolean}).isTraining)
      await new Promise((resolve) => setTimeout(resolve, 1));
    await refuses(() => model.fit(xs, ys, {verbose: 0}));
    await refuses(() => model.trainOnBatch(xs, ys));
    await refuses(() => model.evaluate(xs, ys));
    await refuses(() => train(model, samples(8), quiet));
    await run;
    expect(errors).toEqual([
      expect.stringMatching(/another fit\(\) call is ongoing/),
      expect.stringMatching(/model\.trainOnBatch\(\) was called while the model is being trained/),
      expect.stringMatching(/model\.evaluate\(\) was called while the model is being trained/),
      expect.stringMatching(/already being trained/),
      expect.stringMatching(/another fit\(\) call is ongoing/),
      expect.stringMatching(/another fit\(\) call is ongoing/),
    ]);
    await model.fit(xs, ys, {verbose: 0});
    tf.dispose(model.evaluate(xs, ys));
    await model.trainOnBatch(xs, ys);
    end(model);
  });
});

describe('model.stopTraining outside of a callback', () => {
  it('stops after the batch if the ranks ask after each batch, as in fit', async () => {
    const model = compiled(sequential);
    const steps: number[] = [];
    const run = train(model, samples(8), {
      ...quiet,
      batchSize: 4,
      epochs: 100_000,
      callbacks: {onBatchEnd: (batch: number) => void steps.push(batch)},
    });
    while (steps.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    model.stopTraining = true;
    await run;
    expect(steps.length).toBeLessThan(100_000);
    expect(model.stopTraining).toBe(true);
    end(model);
  });

  it('is an error if no rank would hear of it', async () => {
    const model = compiled(functional);
    const run = train(model, samples(8), {...quiet, epochs: 2});
    while (!(model as unknown as {isTraining: boolean}).isTraining)
      await new Promise((resolve) => setTimeout(resolve, 1));
    expect(() => {
      model.stopTraining = true;
    }).toThrow(/add callbacks: \{onBatchEnd/);
    const {history} = await run;
    expect(history.epoch).toHaveLength(2);
    end(model);
  });
});

it('warns of a rate that is set while no callback runs and none follows', async () => {
  const model = compiled(functional);
  const lines: string[] = [];
  const unlisten = onRun((event) => {
    if (event.type === 'output') lines.push(event.text);
  });
  const run = train(model, samples(8), {...quiet, epochs: 2});
  while (!(model as unknown as {isTraining: boolean}).isTraining)
    await new Promise((resolve) => setTimeout(resolve, 1));
  (model.optimizer as tf.SGDOptimizer & {setLearningRate(rate: number): void}).setLearningRate(0.5);
  await run;
  unlisten();
  expect(lines).toEqual([
    expect.stringMatching(/optimizer\.learningRate changed while no callback/),
  ]);
  end(model);
});

describe('a validationSplit', () => {
  it.each([
    [1, 0.5, /leaves none for training/],
    [3, 0.9, /leaves none for training/],
    [3, 1e-17, /leaves none for validation/],
  ])('of %i samples and %d is BAD_DATA', async (count, validationSplit, message) => {
    const model = compiled(sequential);
    const error = await refusal(train(model, samples(count), {...quiet, validationSplit}));
    expect(error.code).toBe('BAD_DATA');
    expect(error.message).toMatch(message);
    end(model);
  });

  it('may leave a single sample for each', async () => {
    const model = compiled(sequential);
    const {history} = await train(model, samples(2), {...quiet, validationSplit: 0.5});
    expect(Object.keys(history.history)).toEqual(['loss', 'val_loss']);
    end(model);
  });
});
