/**
 * A small convolutional network for images, with batch normalization.
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

/** The size of the network and of its images. */
export interface ConvnetOptions extends CompileOptions {
  /** [height, width, channels] of an image. @default [28, 28, 1] */
  inputShape?: number[];
  /** The filters of each block. @default [16, 32] */
  filters?: number[];
  /** The number of classes. @default 10 */
  classes?: number;
  /** Whether batch normalization follows each convolution, which then has no bias. @default true */
  batchNorm?: boolean;
  /** The share of features that is dropped before the output. @default 0 */
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
 * Makes a classifier [samples, height, width, channels] -> [samples, classes], compiled with adam
 * and 'sparseCategoricalCrossentropy'. Its blocks are `block_i/conv` (3 x 3 with stride 2, which
 * halves height and width, rounded up), `block_i/norm` and `block_i/relu`; `flatten`, `dropout` if
 * asked for, and `output`, a softmax, follow. Strides replace pooling (Springenberg et al. 2015,
 * "Striving for simplicity"), whose gradient is TensorFlow's slowest on a CPU.
 *
 * Parameters: 9 * channels * filters + 4 * filters for each block, where half of the latter are
 * moving averages, which are not trained (without batch normalization: + filters, the biases); and
 * (height * width * filters after the blocks + 1) * classes. The default has 20,634. Throws
 * BAD_OPTION for an unknown or invalid option.
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
    // Batch normalization subtracts a bias again with the mean, so its true gradient is zero.
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
    // With tfjs's default momentum, 0.99, predictions can use the moving averages only after some
    // hundred steps.
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
