/**
 * The checks of the options of `train` and `trainParallel`, by name, and the names of fit, of
 * fitDataset and of the other function that are refused with a sentence of their own.
 */
import {
  anAbortSignal,
  anObject,
  anything,
  either,
  listOf,
  nameFrom,
  nonEmptyString,
  numberAmong,
  numberFrom,
  positiveNumber,
  shareBelow1,
  trueOrFalse,
  wholeNumber,
  type Check,
  type OptionTable,
  type Refusals,
} from '../base/options';
import {moduleList} from '../model/describe';
import type {TrainOptions, TrainParallelOptions} from './options';

/** The function that was called: it decides which options exist, and their defaults. */
export type Caller = 'train' | 'trainParallel';

const shuffle: Check = {
  ...trueOrFalse,
  expected: "true or false (tfjs has not implemented 'batch': its fit refuses it too)",
};

/**
 * The options that fit has too. As in every table, undefined means that the option was left out; of
 * these, null means it too, as in fit.
 */
export const FIT: OptionTable<Pick<TrainOptions, FitName>> = {
  'epochs?': wholeNumber(1),
  'batchSize?': wholeNumber(1),
  'shuffle?': shuffle,
  'validationSplit?': shareBelow1,
  // `checkData` checks it against the model.
  'validationData?': anything,
  'initialEpoch?': wholeNumber(0),
  // `checkClassWeight` checks it against the model.
  'classWeight?': either(anObject, listOf('objects, one for each output', anObject)),
  // `readSampleWeight` checks it.
  'sampleWeight?': anything,
  // `CallbackList` checks them.
  'callbacks?': anything,
  'verbose?': numberAmong([0, 1, 2]),
  'yieldEvery?': either(
    nameFrom(['auto', 'batch', 'epoch', 'never']),
    numberFrom(0, 'milliseconds'),
  ),
};
type FitName =
  | 'epochs'
  | 'batchSize'
  | 'shuffle'
  | 'validationSplit'
  | 'validationData'
  | 'initialEpoch'
  | 'classWeight'
  | 'sampleWeight'
  | 'callbacks'
  | 'verbose'
  | 'yieldEvery';

export const TRAIN: OptionTable<TrainOptions> = {
  ...FIT,
  // `checkSeed` checks it.
  'seed?': anything,
  // `runDevices` checks them.
  'devices?': anything,
  'threads?': wholeNumber(1),
  'microBatches?': wholeNumber(1),
  // `checkRecompute` checks it: 'stage' exists only in pipelines.
  'recompute?': anything,
  'globalClipNorm?': positiveNumber(),
  // `parseBytes` checks it.
  'memoryLimit?': anything,
  'modules?': moduleList,
  'silenceTimeoutMs?': wholeNumber(1),
  'trace?': either(trueOrFalse, nameFrom(['phases', 'layers'])),
  'record?': nonEmptyString('the name of a file to write'),
  'signal?': anAbortSignal,
};
const {'silenceTimeoutMs?': _, ...SHARED} = TRAIN;
export const PARALLEL: OptionTable<TrainParallelOptions> = {
  ...SHARED,
  // `readStrategy` checks it.
  'strategy?': anything,
  'bucketBytes?': anything,
  'timeoutMs?': wholeNumber(1),
};

const ALL_DATA = 'an epoch is one pass over all the data';
const LATER = {
  code: 'NOT_YET' as const,
  sentence: 'is not there yet in this version: leave it out.',
};

/** The names of fit and fitDataset that mean nothing here, and those of later versions. */
const REFUSED: Refusals = {
  stepsPerEpoch: `has no effect in tfjs's fit: ${ALL_DATA}, there and here. Leave it out; for shorter epochs, give fewer samples.`,
  validationSteps: `belongs to stepsPerEpoch, which tfjs's fit does not implement: validation sees all of its data. Leave it out; for less validation, give fewer samples.`,
  batchesPerEpoch: `belongs to fitDataset. Here the data is {xs, ys} or {module}, and ${ALL_DATA}: set batchSize, and give fewer samples for shorter epochs.`,
  validationBatches: `belongs to fitDataset. Here validationData is {xs, ys} or {module}, and all of it is used: give fewer samples for less validation.`,
  validationBatchSize:
    'belongs to fitDataset. Validation takes batches of batchSize, as in fit: leave it out.',
  checkpoint: LATER,
  resumeFrom: LATER,
  recovery: LATER,
};

/** By function, the names that it refuses with a sentence; some are options of the other function. */
export const REFUSALS: Record<Caller, Refusals> = {
  train: {
    ...REFUSED,
    strategy: 'says how to use several devices; train uses one: leave it out.',
    bucketBytes: 'says how to use several devices; train uses one: leave it out.',
    timeoutMs:
      'limits the wait in a collective, and train has none; to stop a worker that is silent for too long, use silenceTimeoutMs.',
  },
  trainParallel: {
    ...REFUSED,
    silenceTimeoutMs:
      'belongs to train; in trainParallel, timeoutMs limits the wait of a rank in one collective.',
  },
};
