/**
 * Callbacks that change the run: the same change takes effect at the same step as in fit.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import {
  byFit,
  byStrategy,
  byTrain,
  expectSame,
  STRATEGIES,
  type Outcome,
  type Scenario,
} from './callbackHarness';

type Fields = Record<string, number>;
const fieldsOf = (model: tf.LayersModel) => model.optimizer as unknown as Fields;

const SCENARIOS: Scenario[] = [
  {
    name: "sgd's rate, by setLearningRate in each kind of callback",
    optimizer: () => tf.train.sgd(0.2),
    callbacks: (model) => {
      const set = (rate: number) =>
        (
          model.optimizer as tf.SGDOptimizer & {setLearningRate(rate: number): void}
        ).setLearningRate(rate);
      return {
        onTrainBegin: () => set(0.1),
        onEpochBegin: (epoch: number) => set(0.1 / (epoch + 1)),
        onBatchBegin: (batch: number) => (batch === 1 ? set(0.3) : undefined),
        onBatchEnd: (batch: number) => (batch === 1 ? set(0.05) : undefined),
      };
    },
  },
  {
    name: "adam's rate and betas, written, by a schedule over iterations",
    optimizer: () => tf.train.adam(0.02),
    callbacks: (model) => ({
      onBatchEnd: async () => {
        const adam = fieldsOf(model);
        adam.learningRate = 0.02 / (1 + 0.5 * adam.iterations);
        adam.beta1 = 0.5;
      },
      onEpochEnd: async () => {
        fieldsOf(model).epsilon = 1e-3;
      },
    }),
  },
  {
    name: 'weights: a decay at each batch, another layer at the end of an epoch',
    optimizer: () => tf.train.momentum(0.05, 0.9),
    callbacks: (model) => ({
      onBatchEnd: async () => {
        const [kernel, bias] = model.getLayer('second').getWeights();
        const halved = tf.mul(kernel, 0.5);
        model.getLayer('second').setWeights([halved, bias]);
        halved.dispose();
      },
      onEpochEnd: async (epoch: number) => {
        const first = model
          .getLayer('first')
          .getWeights()
          .map((weight) => tf.fill(weight.shape, 0.1));
        model.getLayer('first').setWeights(first);
        tf.dispose(first);
        if (epoch === 0) fieldsOf(model).momentum = 0.1;
      },
    }),
  },
  {
    name: 'layers that are frozen and unfrozen, with adam',
    optimizer: () => tf.train.adam(0.02),
    callbacks: (model) => ({
      onBatchBegin: async (batch: number) => {
        model.getLayer('second').trainable = batch !== 1;
      },
      onEpochEnd: async () => {
        model.getLayer('first').trainable = false;
      },
    }),
  },
  {
    name: 'a layer that is frozen from the start, with adagrad',
    optimizer: () => tf.train.adagrad(0.05),
    callbacks: (model) => ({
      onTrainBegin: async () => {
        model.getLayer('third').trainable = false;
      },
      onBatchEnd: async (batch: number) => {
        if (batch === 1) model.getLayer('third').trainable = true;
      },
    }),
  },
  {
    name: "plain sgd with a frozen layer, and sgd's written rate, which does nothing",
    optimizer: () => tf.train.sgd(0.1),
    callbacks: (model) => ({
      onBatchEnd: async (batch: number) => {
        model.getLayer('third').trainable = batch === 0;
        fieldsOf(model).learningRate = 5;
      },
    }),
  },
  {
    name: 'momenta that a callback throws away, and a step of its own',
    optimizer: () => tf.train.momentum(0.05, 0.9),
    callbacks: (model) => ({
      onBatchEnd: async (batch: number) => {
        const optimizer = model.optimizer as unknown as {
          accumulations: Array<{variable: tf.Variable}>;
        };
        if (batch === 0) {
          tf.dispose(optimizer.accumulations.map(({variable}) => variable));
          optimizer.accumulations = [];
        }
        if (batch === 1) {
          const batchOfOne = [tf.ones([1, 4]), tf.ones([1, 2])];
          await model.trainOnBatch(batchOfOne[0], batchOfOne[1]);
          tf.dispose(batchOfOne);
        }
      },
    }),
  },
];

const references = new Map<Scenario, Promise<Outcome>>();
function reference(scenario: Scenario): Promise<Outcome> {
  if (!references.has(scenario)) references.set(scenario, byFit(scenario));
  return references.get(scenario)!;
}

/** A third of the strategies for each scenario; all of them in the full product. */
const strategiesOf = (scenario: Scenario) =>
  STRATEGIES.filter(
    (_, i) => process.env.MANY_HANDS_FULL || i % 3 === SCENARIOS.indexOf(scenario) % 3,
  );

describe.each(SCENARIOS)('$name', (scenario) => {
  it('train, in a process of its own', async () => {
    expectSame(await byTrain(scenario), await reference(scenario));
  });

  it.each(strategiesOf(scenario))('%s on %i in-process ranks', async (_, devices, options) => {
    expectSame(await byStrategy(scenario, devices, options), await reference(scenario));
  });
});

describe('in processes', () => {
  const [RATE, , WEIGHTS, FROZEN] = SCENARIOS;
  it.each(STRATEGIES.filter(([, devices]) => devices === 2))(
    '%s on %i ranks',
    async (name, devices, options) => {
      const scenario = {dataParallel: RATE, fsdp: WEIGHTS, zero1: WEIGHTS}[name] ?? FROZEN;
      const actual = await byStrategy(scenario, devices, options, 'processes');
      expectSame(actual, await reference(scenario));
    },
  );
});

it('the scenarios change something', async () => {
  const plain = await byFit({...SCENARIOS[3], callbacks: () => undefined});
  const frozen = await reference(SCENARIOS[3]);
  expect(frozen.weights['first/kernel']).not.toEqual(plain.weights['first/kernel']);
});
