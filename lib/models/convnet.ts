/**
 * A small convolutional network for pictures, with batch normalization.
 */
import * as tf from '@tensorflow/tfjs';
import {
  readOptions,
  shareBelow1,
  trueOrFalse,
  wholeNumber,
  wholeNumbers,
  type Check,
  type OptionTable,
} from '../base/options';
import {COMPILE_OPTIONS, compiled, DEFAULT_SEED, glorot, he, type CompileOptions} from './compiled';
import {Dropout} from './layers';

/** How many filters a block has, and over which pictures. */
export interface ConvnetOptions extends CompileOptions {
  /** [height, width, channels] of one picture; [28, 28, 1] without it. */
  inputShape?: number[];
  /** The filters of each block; [16, 32] without it. */
  filters?: number[];
  /** Classes to tell apart; 10 without it. */
  classes?: number;
  /** Batch normalization after each convolution, which then has no bias; true without it. */
  batchNorm?: boolean;
  /** The share of features that is dropped before the output; 0 without it. */
  dropout?: number;
}

const threeSizes = wholeNumbers(1, 3);
/** [height, width, channels] of a picture. */
export const pictureShape: Check = {
  expected: '[height, width, channels] of one picture, whole numbers from 1',
  accepts: (value) => threeSizes.accepts(value) && (value as number[]).length === 3,
};

const OPTIONS: OptionTable<ConvnetOptions> = {
  ...COMPILE_OPTIONS,
  'inputShape?': pictureShape,
  'filters?': wholeNumbers(1, 1),
  'classes?': wholeNumber(2),
  'batchNorm?': trueOrFalse,
  'dropout?': shareBelow1,
};

/**
 * [samples, height, width, channels] -> [samples, classes]. Blocks `block_i/conv` (3 x 3, stride 2,
 * which halves height and width, rounded up), `block_i/norm`, `block_i/relu`, then `flatten`,
 * `dropout` where asked for, and `output`, a softmax. Strides in place of pooling, whose gradient
 * is the slowest of TensorFlow's on a CPU (Springenberg et al. 2015, "Striving for simplicity").
 * Compiled with adam and 'sparseCategoricalCrossentropy'.
 *
 * Parameters: for each block 9 * channels * filters + 4 * filters (half of the latter are moving
 * averages, which are not trained; without batch norm + filters, the biases), and (height * width *
 * filters after the blocks + 1) * classes. The default has 20,634. Throws BAD_OPTION.
 */
export function convnet(options: ConvnetOptions = {}): tf.Sequential {
  const {
    seed = DEFAULT_SEED,
    inputShape = [28, 28, 1],
    filters = [16, 32],
    classes = 10,
    batchNorm = true,
    dropout = 0,
  } = readOptions('convnet', options, OPTIONS);
  const model = tf.sequential({name: 'convnet'});
  filters.forEach((count, i) => {
    const name = `block_${i}/conv`;
    // A bias before batch norm is taken away again with the mean: its true gradient is zero.
    model.add(
      tf.layers.conv2d({
        name,
        filters: count,
        kernelSize: 3,
        strides: 2,
        padding: 'same',
        useBias: !batchNorm,
        kernelInitializer: he(seed, name),
        ...(i === 0 ? {inputShape} : {}),
      }),
    );
    // tfjs's own momentum, 0.99, needs some hundred steps before predictions can use the moving
    // averages.
    if (batchNorm)
      model.add(tf.layers.batchNormalization({name: `block_${i}/norm`, momentum: 0.9}));
    model.add(tf.layers.activation({name: `block_${i}/relu`, activation: 'relu'}));
  });
  model.add(tf.layers.flatten({name: 'flatten'}));
  if (dropout > 0) model.add(new Dropout({name: 'dropout', rate: dropout}));
  model.add(
    tf.layers.dense({
      name: 'output',
      units: classes,
      activation: 'softmax',
      kernelInitializer: glorot(seed, 'output'),
    }),
  );
  return compiled(model, options, {
    optimizer: () => tf.train.adam(),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  });
}
