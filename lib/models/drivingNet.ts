/**
 * A small network that steers: a road picture in, a steering angle out.
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
import {pictureShape} from './convnet';
import {Dropout} from './layers';

/** How wide the network is, and over which pictures. */
export interface DrivingNetOptions extends CompileOptions {
  /** [height, width, channels] of one frame; [48, 64, 3] without it. */
  inputShape?: number[];
  /** The filters of each convolution; [12, 24, 32] without it. */
  filters?: number[];
  /** The width of the hidden layer; 64 without it. */
  units?: number;
  /** The share of hidden activations that is dropped in training; 0 without it. */
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
 * [samples, height, width, channels] -> [samples, 1]. Convolutions `conv_i` (5 x 5, stride 2, which
 * halves height and width, rounded up), `flatten`, `hidden`, `dropout` where asked for, and
 * `steering`, one number. After Bojarski et al. 2016, "End to end learning for self-driving cars",
 * made small. Compiled with adam and 'meanSquaredError', of the steering as a share of full lock.
 *
 * Parameters: (25 * channels + 1) * filters for each convolution, (height * width * filters after
 * them + 1) * units, units + 1. The default has 125,801. Throws BAD_OPTION.
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
