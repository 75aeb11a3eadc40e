/**
 * Callbacks that stop a run, read the model, or do what a run cannot follow.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {refusal} from '../helpers/refusal';
import {byFit, byStrategy, byTrain, expectSame, STRATEGIES, type Scenario} from './callbackHarness';

const scenarioOf = (
  callbacks: Scenario['callbacks'],
  options: Scenario['options'] = {},
): Scenario => ({name: '', optimizer: () => tf.train.sgd(0.1), callbacks, options});

const stop = (model: tf.LayersModel) => {
  model.stopTraining = true;
};

class StopOwn extends tf.Callback {
  override async onBatchBegin(batch: number): Promise<void> {
    if (batch === 1) (this as unknown as {model: tf.LayersModel}).model.stopTraining = true;
  }
}

const STOPS: Array<[string, Scenario]> = [
  [
    'onTrainBegin, which fit takes back',
    scenarioOf((model) => ({onTrainBegin: () => stop(model)})),
  ],
  ['onEpochBegin', scenarioOf((model) => ({onEpochBegin: () => stop(model)}))],
  ['onBatchBegin, by a class', scenarioOf(() => [new StopOwn()] as unknown as tf.Callback)],
  ['onBatchEnd', scenarioOf((model) => ({onBatchEnd: () => stop(model)}))],
  [
    'the last batch, after its validation',
    scenarioOf((model) => ({
      onBatchEnd: (batch: number) => (batch === 1 ? stop(model) : undefined),
    })),
  ],
  ['onEpochEnd', scenarioOf((model) => ({onEpochEnd: () => stop(model)}))],
  [
    'a stop that a later callback takes back',
    scenarioOf((model) => ({
      onBatchBegin: () => stop(model),
      onBatchEnd: () => {
        model.stopTraining = false;
      },
    })),
  ],
  [
    'earlyStopping, and logs that a callback adds to',
    scenarioOf(() => [
      tf.callbacks.earlyStopping({monitor: 'loss', patience: 0, minDelta: 10}),
      new tf.CustomCallback({
        onEpochEnd: async (epoch: number, logs?: tf.Logs) => {
          logs!.rate = epoch + 0.5;
        },
      }),
    ]),
  ],
];

describe.each(STOPS)('a stop in %s', (_, scenario) => {
  it.each([0, 0.25])('leaves the history of fit, with validationSplit %d', async (split) => {
    const one = {...scenario, options: {validationSplit: split, epochs: 3}};
    const expected = await byFit(one);
    expectSame(await byTrain(one), expected);
    const [, devices, options] = STRATEGIES[split ? 4 : 7];
    if (process.env.MANY_HANDS_FULL) expectSame(await byStrategy(one, devices, options), expected);
  });
});

describe('what a callback reads is current', () => {
  /** Everything that a callback can read of a model, as numbers. */
  function reader(seen: number[][]): Scenario {
    return {
      name: '',
      optimizer: () => tf.train.adam(0.05),
      callbacks: (model) => {
        const captured = model.getLayer('first').getWeights()[0];
        const adam = model.optimizer as unknown as {
          iterations: number;
          accBeta1: tf.Scalar;
          accumulatedFirstMoment: Array<{variable: tf.Tensor}>;
        };
        const ones = tf.tidy(() => tf.ones([1, 4]));
        return {
          onBatchEnd: async (batch: number) => {
            seen.push([adam.iterations]);
            // Each batch reads in another way, since the first read fetches everything.
            if (batch === 0) seen.push([...captured.dataSync()]);
            if (batch === 1) {
              const prediction = model.predict(ones) as tf.Tensor;
              seen.push([...prediction.dataSync()]);
              prediction.dispose();
            }
            if (batch === 2)
              seen.push(
                [...adam.accumulatedFirstMoment[0].variable.dataSync()],
                [...adam.accBeta1.dataSync()],
              );
          },
          onEpochBegin: async () => {
            const [kernel] = model.getLayer('second').getWeights();
            seen.push([...(await kernel.data())]);
          },
          onEpochEnd: async () => {
            const targets = tf.zeros([1, 2]);
            const values = model.evaluate(ones, targets) as tf.Scalar[];
            seen.push(values.map((value) => value.dataSync()[0]));
            tf.dispose([...values, targets]);
          },
          onTrainEnd: () => ones.dispose(),
        };
      },
    };
  }

  const close = (actual: number[][], expected: number[][]) => {
    expect(actual.map(({length}) => length)).toEqual(expected.map(({length}) => length));
    actual.flat().forEach((value, i) => expect(value).toBeCloseTo(expected.flat()[i], 4));
  };

  it('in train and in strategies', async () => {
    const expected: number[][] = [];
    await byFit(reader(expected));
    const seen: number[][] = [];
    await byTrain(reader(seen));
    close(seen, expected);
    const strategies = STRATEGIES.filter((_, i) => process.env.MANY_HANDS_FULL || i % 3 === 2);
    for (const [, devices, options] of strategies) {
      seen.length = 0;
      await byStrategy(reader(seen), devices, options);
      close(seen, expected);
    }
  });

  it('in ranks that are processes', async () => {
    const expected: number[][] = [];
    await byFit(reader(expected));
    const seen: number[][] = [];
    await byStrategy(reader(seen), 2, {strategy: 'fsdp'}, 'processes');
    close(seen, expected);
  });
});

describe('what a run cannot follow is an error at that moment', () => {
  const functional = () => {
    const input = tf.input({shape: [4]});
    const middle = tf.layers.dense({units: 3, name: 'middle'}).apply(input);
    const model = tf.model({
      inputs: input,
      outputs: tf.layers.dense({units: 2}).apply(middle) as tf.SymbolicTensor,
    });
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    return model;
  };
  const xs = {values: new Float32Array(32).fill(1), shape: [8, 4]};
  const ys = {values: new Float32Array(16), shape: [8, 2]};
  const quiet = {verbose: 0, threads: 1, epochs: 2, batchSize: 4} as const;

  const ACTS: Array<[string, (model: tf.LayersModel) => void, RegExp]> = [
    [
      'another compile',
      (model) => model.compile({optimizer: 'adam', loss: 'meanSquaredError'}),
      /another optimizer|compiled the model again/,
    ],
    [
      'another optimizer',
      (model) => Object.assign(model, {optimizer: tf.train.sgd(0.5)}),
      /gave the model another optimizer/,
    ],
    ['a disposed layer', (model) => model.getLayer('middle').dispose(), /disposed of the model/],
    ['a disposed optimizer', (model) => model.optimizer.dispose(), /disposed of the optimizer/],
    [
      'every layer frozen',
      (model) => {
        for (const layer of model.layers) layer.trainable = false;
      },
      /every weight of the model is frozen/,
    ],
  ];

  it.each(ACTS)('%s', async (_, act, message) => {
    const model = functional();
    const first = model.optimizer;
    const callbacks = {onBatchEnd: () => act(model)};
    const run = trainParallelOver('inProcess', model, {xs, ys}, {...quiet, devices: 2, callbacks});
    const error = await refusal(run);
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toMatch(message);
    for (const optimizer of new Set([first, model.optimizer]))
      if (!/disposed optimizer/.test(_)) optimizer.dispose();
    if (!/disposed layer/.test(_)) model.dispose();
  });

  it('compile on a Sequential has no effect on the run, as in fit', async () => {
    const scenario = scenarioOf((model) => ({
      onEpochEnd: async (epoch: number) => {
        const {optimizer} = model;
        if (epoch === 0) model.compile({optimizer, loss: 'meanAbsoluteError'});
      },
    }));
    expectSame(await byTrain(scenario), await byFit(scenario));
  });

  it('a weight that is set while no callback runs', async () => {
    const model = functional();
    const run = train(model, {xs, ys}, {...quiet, epochs: 50});
    await new Promise((resolve) => setTimeout(resolve, 1));
    while (!(model as unknown as {isTraining: boolean}).isTraining)
      await new Promise((resolve) => setTimeout(resolve, 1));
    tf.tidy(() =>
      model.getLayer('middle').setWeights(
        model
          .getLayer('middle')
          .getWeights()
          .map((weight) => tf.zeros(weight.shape)),
      ),
    );
    const error = await refusal(run);
    expect(error.message).toMatch(/outside of its callbacks/);
    model.optimizer.dispose();
    model.dispose();
  });
});
