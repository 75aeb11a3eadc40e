/**
 * The models and data of `bench -- train`, the same for many-hands and for plain tfjs.
 */
import type * as tf from '@tensorflow/tfjs';
import {drivingFrames} from '../../lib/data/driving';
import {mnist} from '../../lib/data/mnist';
import {sampleRange, type Samples} from '../../lib/data/samples';
import {textCorpus} from '../../lib/data/text';
import {convnet, drivingNet, mlp, transformer} from '../../lib/models';

export interface TrainCase {
  name: string;
  batchSize: number;
  steps: number;
  model(): tf.LayersModel;
  data(): Samples;
}

/**
 * Epochs of one measured run: a run's first step, which asks the system for its memory, counts in
 * it as in a learner's.
 */
export const EPOCHS = 4;

export const TRAIN_CASES: TrainCase[] = [
  {
    name: 'mlp 784-1024-1024-10, sgd',
    batchSize: 256,
    steps: 30,
    model: () => mlp({seed: 1}),
    data: () => mnist({train: 256 * 30, test: 0, flat: true}).train,
  },
  {
    name: 'mlp 784-1024-1024-10, adam',
    batchSize: 256,
    steps: 20,
    model: () => mlp({seed: 1, optimizer: 'adam'}),
    data: () => mnist({train: 256 * 20, test: 0, flat: true}).train,
  },
  {
    name: 'convnet',
    batchSize: 64,
    steps: 20,
    model: () => convnet({seed: 1}),
    data: () => mnist({train: 64 * 20, test: 0}).train,
  },
  {
    name: 'driving net',
    batchSize: 32,
    steps: 20,
    model: () => drivingNet({seed: 1}),
    data: () => sampleRange(drivingFrames({cars: 8, framesPerCar: 80, seed: 1}), 0, 640),
  },
  {
    name: 'transformer',
    batchSize: 32,
    steps: 20,
    model: () => transformer({seed: 1}),
    data: () => textCorpus({samples: 640, sequence: 64, seed: 1}),
  },
];
