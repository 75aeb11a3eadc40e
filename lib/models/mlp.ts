/**
 * A multilayer perceptron.
 */
import * as tf from '@tensorflow/tfjs';
import {
  readOptions,
  shareBelow1,
  wholeNumber,
  wholeNumbers,
  type OptionTable,
} from '../base/options';
import {COMPILE_OPTIONS, compiled, DEFAULT_SEED, glorot, he, type CompileOptions} from './compiled';
import {Dropout} from './layers';

/** How wide and how deep the layers are. */
export interface MlpOptions extends CompileOptions {
  /** One sample's shape; [784] without it. A shape with several dims is flattened first. */
  inputShape?: number[];
  /** The width of each hidden layer; [1024, 1024] without it. */
  units?: number[];
  /** Classes to tell apart; 10 without it. */
  classes?: number;
  /** The share of hidden activations that is dropped in training; 0 without it. */
  dropout?: number;
}

const OPTIONS: OptionTable<MlpOptions> = {
  ...COMPILE_OPTIONS,
  'inputShape?': wholeNumbers(1, 1),
  'units?': wholeNumbers(1, 0),
  'classes?': wholeNumber(2),
  'dropout?': shareBelow1,
};

/**
 * [samples, ...inputShape] -> [samples, classes]. Dense layers with ReLU, then a softmax over the
 * classes: layers `flatten` (where needed), `hidden_0`, `hidden_1`, ..., `output`, and `dropout_i`
 * after `hidden_i` with dropout. Compiled with sgd (0.1) and 'sparseCategoricalCrossentropy'.
 * Parameters: the sum of (inputs + 1) * outputs over the Dense layers; 784-1024-1024-10 has
 * 1,863,690. Throws BAD_OPTION.
 */
export function mlp(options: MlpOptions = {}): tf.Sequential {
  const {
    seed = DEFAULT_SEED,
    inputShape = [784],
    units = [1024, 1024],
    classes = 10,
    dropout = 0,
  } = readOptions('mlp', options, OPTIONS);
  const model = tf.sequential({name: 'mlp'});
  let first: {inputShape?: number[]} = {inputShape};
  if (inputShape.length > 1) {
    model.add(tf.layers.flatten({name: 'flatten', ...first}));
    first = {};
  }
  units.forEach((width, i) => {
    const name = `hidden_${i}`;
    model.add(
      tf.layers.dense({
        name,
        units: width,
        activation: 'relu',
        kernelInitializer: he(seed, name),
        ...first,
      }),
    );
    first = {};
    if (dropout > 0) model.add(new Dropout({name: `dropout_${i}`, rate: dropout}));
  });
  model.add(
    tf.layers.dense({
      name: 'output',
      units: classes,
      activation: 'softmax',
      kernelInitializer: glorot(seed, 'output'),
      ...first,
    }),
  );
  return compiled(model, options, {
    optimizer: () => tf.train.sgd(0.1),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  });
}
