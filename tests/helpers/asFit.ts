/**
 * One model trained by fit, by train and by strategies on 2 and 3 in-process ranks: all must agree.
 */
import * as tf from '@tensorflow/tfjs';
import type {ShapedArray} from '#lib/base/arrays.js';
import {Random} from '#lib/base/random.js';
import type {TrainOptions, TrainParallelOptions} from '#lib/config/options.js';
import type {Transport} from '#lib/run/resolveRun.js';
import {expectSameRun, runFit, runParallel, runTrain, type ParityCase} from '../parity/harness';

/** A way to train: a name, the number of devices, and the options; 1 device is `train`. */
export type Way = [
  name: string,
  devices: number,
  options: TrainParallelOptions,
  transport?: Transport,
];

export const TRAIN: Way = ['train', 1, {}];
/** `train` that computes these layers twice. */
export const recomputed = (...layers: string[]): Way => [
  `train, recompute ${layers}`,
  1,
  {recompute: layers},
];
export const DATA: Way[] = [
  ['dataParallel', 3, {strategy: 'dataParallel'}],
  ['zero2', 2, {strategy: 'zero2'}],
  ['fsdp', 3, {strategy: 'fsdp'}],
];
export const MICRO: Way = ['train in micro-batches', 1, {microBatches: 2}];
export const TENSOR: Way = ['tensorParallel', 2, {strategy: 'tensorParallel'}];
/** The same way with a process for each rank. */
export const inProcesses = ([name, devices, options]: Way): Way => [
  `${name}, in processes`,
  devices,
  options,
  'processes',
];
/** A pipeline that is cut before these layers. */
export const piped = (microBatches: number, ...splitAt: string[]): Way => [
  `pipelineParallel, ${microBatches} micro-batches`,
  splitAt.length + 1,
  {strategy: {kind: 'pipelineParallel', splitAt, microBatches}},
];

export function floats(seed: number, ...shape: number[]): ShapedArray {
  const random = new Random(seed);
  const length = tf.util.sizeFromShape(shape);
  return {values: Float32Array.from({length}, () => random.uniform() * 2 - 1), shape};
}

export function integers(seed: number, most: number, ...shape: number[]): ShapedArray {
  const random = new Random(seed);
  const length = tf.util.sizeFromShape(shape);
  return {values: Int32Array.from({length}, () => random.integer(most)), shape};
}

const glorot = (seed: number) => tf.initializers.glorotUniform({seed});

export const dense = (name: string, units: number, more: object = {}) =>
  tf.layers.dense({name, units, kernelInitializer: glorot(units + name.length), ...more});

export const lstm = (name: string, units: number, more: object = {}) =>
  tf.layers.lstm({
    name,
    units,
    kernelInitializer: glorot(units),
    recurrentInitializer: glorot(units + 1),
    ...more,
  });

/** A case whose model is compiled with the mean squared error. */
export function fitCase(
  build: () => tf.LayersModel,
  xs: ShapedArray[],
  ys: ShapedArray[],
  options: ParityCase['options'] = {},
  batchSize = 6,
): ParityCase {
  return {
    name: 'as fit',
    model: (optimizer) => {
      const model = build();
      model.compile({optimizer, loss: 'meanSquaredError'});
      return model;
    },
    data: {xs, ys},
    batchSize,
    options,
  };
}

/** Trains the case in each way for two epochs and holds every run to fit. */
export async function expectAsFit(
  parityCase: ParityCase,
  ways: readonly Way[],
  rate = 0.05,
  more: TrainOptions = {},
): Promise<void> {
  const reference = await runFit(parityCase, parityCase.model(tf.train.sgd(rate)), 2);
  for (const [name, devices, options, transport] of ways) {
    const model = parityCase.model(tf.train.sgd(rate));
    const run = await (devices === 1
      ? runTrain(parityCase, model, 2, {...more, ...(options as TrainOptions)})
      : runParallel(parityCase, model, 2, {...more, ...options, devices}, transport));
    try {
      expectSameRun(run, reference, 1e-4);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, {cause: error});
    }
  }
}
