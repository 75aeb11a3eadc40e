/**
 * Draws losses with the targets and activations that they take, metrics, and optimizers.
 */
import type {Draw} from './draw';
import type {ObjectiveSpec, TargetKind, Value} from './program';

interface LossKind {
  losses: Value[];
  target: TargetKind;
  /** Of the layer that makes the output. */
  activations: string[];
  metrics: Value[];
}

const tfjs = (...names: string[]): Value[] => names.map((name) => ({js: `tf.${name}`}));

const KINDS: Record<string, LossKind> = {
  regression: {
    losses: ['meanSquaredError', 'meanAbsoluteError', 'logcosh', 'cosineProximity'],
    target: 'real',
    activations: ['linear', 'tanh', 'softsign'],
    metrics: ['mse', 'mae', 'cosine', ...tfjs('metrics.meanSquaredError', 'metrics.r2Score')],
  },
  functions: {
    losses: tfjs(
      'metrics.meanSquaredError',
      'metrics.meanAbsoluteError',
      'losses.meanSquaredError',
      'losses.huberLoss',
      'losses.absoluteDifference',
    ),
    target: 'real',
    activations: ['linear', 'tanh'],
    metrics: ['mse', 'mae'],
  },
  positive: {
    losses: ['meanSquaredLogarithmicError', 'meanAbsolutePercentageError', 'poisson'],
    target: 'positive',
    activations: ['sigmoid', 'softplus'],
    metrics: ['mape', 'mse', ...tfjs('metrics.meanAbsolutePercentageError')],
  },
  sign: {
    losses: ['hinge', 'squaredHinge'],
    target: 'sign',
    activations: ['tanh'],
    metrics: ['mse'],
  },
  binary: {
    losses: ['binaryCrossentropy', ...tfjs('metrics.binaryCrossentropy', 'losses.logLoss')],
    target: 'binary',
    activations: ['sigmoid'],
    metrics: [
      ...['accuracy', 'binaryAccuracy', 'precision'],
      ...tfjs('metrics.binaryAccuracy', 'metrics.recall'),
    ],
  },
  logits: {
    losses: tfjs('losses.sigmoidCrossEntropy'),
    target: 'binary',
    activations: ['linear'],
    metrics: ['mse'],
  },
  categories: {
    losses: ['categoricalCrossentropy', 'categoricalHinge', ...tfjs('losses.softmaxCrossEntropy')],
    target: 'oneHot',
    activations: ['softmax'],
    metrics: ['accuracy', 'categoricalAccuracy', 'categoricalCrossentropy', 'precision'],
  },
  shares: {
    losses: ['kullbackLeiblerDivergence', 'categoricalCrossentropy'],
    target: 'shares',
    activations: ['softmax'],
    metrics: ['mse'],
  },
  classes: {
    losses: ['sparseCategoricalCrossentropy'],
    target: 'classes',
    activations: ['softmax'],
    metrics: ['accuracy', 'acc', ...tfjs('metrics.sparseCategoricalAccuracy')],
  },
};

const WEIGHTS = {
  ...{regression: 5, functions: 1.5, positive: 1, sign: 0.6, binary: 1.5, logits: 0.3},
  ...{categories: 2, shares: 0.5, classes: 2},
};

/** Draws a loss; returns it with the activation that its output needs. */
export function drawObjective(draw: Draw): {objective: ObjectiveSpec; activation: string} {
  const {losses, target, activations, metrics} = KINDS[draw.weighted(WEIGHTS)];
  const count = draw.pick([0, 0, 1, 1, 2]);
  return {
    objective: {loss: draw.pick(losses), target, metrics: draw.several(metrics, count)},
    activation: draw.pick(activations),
  };
}

/** A loss that takes any output. */
export const anyOutput = (): ObjectiveSpec => ({
  loss: 'meanSquaredError',
  target: 'real',
  metrics: [],
});

// Not the centered rmsprop: tfjs subtracts epsilon under a root, and fit itself becomes NaN.
const OPTIMIZERS: Array<[weight: number, make: (draw: Draw) => string]> = [
  [4, () => 'tf.train.sgd(0.05)'],
  [1, () => "'sgd'"],
  [1.5, () => 'tf.train.momentum(0.02, 0.9)'],
  [1, () => 'tf.train.momentum(0.02, 0.8, true)'],
  [1, (draw) => `tf.train.adagrad(0.02${draw.chance(0.3) ? ', 0.3' : ''})`],
  [1, () => 'tf.train.adadelta(0.1)'],
  [2, (draw) => `tf.train.adam(0.005${draw.chance(0.3) ? ', 0.8, 0.95, 1e-4' : ''})`],
  [1, () => "'adam'"],
  [1, (draw) => `tf.train.adamax(0.005${draw.chance(0.3) ? ', 0.8, 0.95, 1e-6, 0.01' : ''})`],
  [1, (draw) => `tf.train.rmsprop(0.002${draw.chance(0.4) ? ', 0.8, 0.5' : ''})`],
  [0.3, () => "'rmsprop'"],
];

export function drawOptimizer(draw: Draw): string {
  const weights = Object.fromEntries(OPTIMIZERS.map(([weight], i) => [String(i), weight]));
  return OPTIMIZERS[Number(draw.weighted(weights))][1](draw);
}
