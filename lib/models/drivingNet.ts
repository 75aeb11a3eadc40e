/**
 * A small network that steers: it maps an image of a road to a steering angle.
 */
import {pictureShape} from './convnet';
import * as tf from '@tensorflow/tfjs';
import {compiled, DEFAULT_SEED, glorot, he, type CompileOptions, COMPILE_OPTIONS} from './compiled';
import {
  readOptions,
  shareBelow1,
  wholeNumber,
  wholeNumbers,
  type OptionTable,
} from '../base/options';
import {Dropout} from './layers';

/** The size of the network and of its frames. */
export interface DrivingNetOptions extends CompileOptions {
  /** [height, width, channels] of a frame. @default [48, 64, 3] */
  inputShape?: number[];
  /** The filters of each convolution. @default [12, 24, 32] */
  filters?: number[];
  /** The width of the hidden layer. @default 64 */
  units?: number;
  /** The share of hidden activations that is dropped in training. @default 0 */
  dropout?: number;
}

const OPTIONS: OptionTable<DrivingNetOptions> = {
  ...COMPILE_OPTIONS,
  'inputShape?': pictureShape,
  'filters?': wholeNumbers(1, 1),
  'units?': wholeNumber(1),
  'dropout?': shareBelow1,
};

/**
 * Makes a network [samples, height, width, channels] -> [samples, 1], compiled with adam and
 * 'meanSquaredError' of the steering as a share of full lock. Its layers are the convolutions
 * `conv_i` (5 x 5 with stride 2, which halves height and width, rounded up), `flatten`, `hidden`,
 * `dropout` if asked for, and `steering`, a single number: a small version of Bojarski et al. 2016,
 * "End to end learning for self-driving cars".
 *
 * Parameters: (25 * channels + 1) * filters for each convolution, (height * width * filters after
 * the convolutions + 1) * units, and units + 1. The default has 125,801. Throws BAD_OPTION for an
 * unknown or invalid option.
 */
export function drivingNet(options: DrivingNetOptions = {}): tf.Sequential {
  const {
    seed = DEFAULT_SEED,
    inputShape = [48, 64, 3],
    filters = [12, 24, 32],
    units = 64,
    dropout = 0,
  } = readOptions('drivingNet', options, OPTIONS);
  const model = tf.sequential({name: 'drivingNet'});
  filters.forEach((count, i) => {
    const name = `conv_${i}`;
    model.add(
      tf.layers.conv2d({
        name,
        filters: count,
        kernelSize: 5,
        strides: 2,
        padding: 'same',
        activation: 'relu',
        kernelInitializer: he(seed, name),
        ...(i === 0 ? {inputShape} : {}),
      }),
    );
  });
  model.add(tf.layers.flatten({name: 'flatten'}));
  model.add(
    tf.layers.dense({
      name: 'hidden',
      units,
      activation: 'relu',
      kernelInitializer: he(seed, 'hidden'),
    }),
  );
  if (dropout > 0) model.add(new Dropout({name: 'dropout', rate: dropout}));
  model.add(
    tf.layers.dense({name: 'steering', units: 1, kernelInitializer: glorot(seed, 'steering')}),
  );
  return compiled(model, options, {
    optimizer: () => tf.train.adam(),
    loss: 'meanSquaredError',
    metrics: ['mae'],
  });
}
