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

/** The number and width of the layers. */
export interface MlpOptions extends CompileOptions {
  /** The shape of a sample; a shape with several dims is flattened first. @default [784] */
  inputShape?: number[];
  /** The width of each hidden layer. @default [1024, 1024] */
  units?: number[];
  /** The number of classes. @default 10 */
  classes?: number;
  /** The share of hidden activations that is dropped in training. @default 0 */
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
 * Makes a classifier [samples, ...inputShape] -> [samples, classes], compiled with sgd (0.1) and
 * 'sparseCategoricalCrossentropy'. Its layers are `flatten` if needed, Dense layers with ReLU
 * `hidden_0`, `hidden_1` and so on, each followed by `dropout_i` if asked for, and `output`, a
 * softmax. Parameters: the sum of (inputs + 1) * outputs over the Dense layers; 784-1024-1024-10 has
 * 1,863,690. Throws BAD_OPTION for an unknown or invalid option.
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
