/**
 * The options of `train` and `trainParallel`, in tfjs's own words, checked before any
 * worker starts.
 */
import type * as tf from '@tensorflow/tfjs';
import type {ArrayValues, Data, DataArray, DataArrays} from '../base/arrays';
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {checkSeed} from '../base/random';
import {parseBytes} from '../base/units';
import type {Balance} from '../pipelineParallel/balance';
import type {Schedule} from '../pipelineParallel/schedule';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';
import type {Recompute} from '../model/segments';
import type {Layout} from '../tensorParallel/layout';
import type {ModuleReference} from '../model/describe';

/** The weight of each class's samples in the loss, by class number; 1 for one that is not named. */
export type ClassWeight = Record<number, number>;
/** As `model.fit` takes them; called once an event, in the caller's process. */
export type Callbacks =
  | tf.CustomCallbackArgs
  | tf.CustomCallback
  | Array<tf.CustomCallbackArgs | tf.CustomCallback>;

/** `model.fit`'s own options, and what a run in a worker adds to them. */
export interface TrainOptions {
  /** Passes over the data. @default 1 */
  epochs?: number;
  /** Samples of one optimizer step. @default 32 */
  batchSize?: number;
  /**
   * Whether each epoch visits the samples in an order of its own, drawn from `seed`. @default true
   */
  shuffle?: boolean;
  /**
   * The last part of the data, before any shuffling, that is kept for validation: a share from 0 up
   * to 1. @default 0
   */
  validationSplit?: number;
  /** Data to validate on after each epoch: `{xs, ys}`, a described data set, or fit's `[x, y]`. */
  validationData?: Data | [DataArray | DataArray[], DataArray | DataArray[]];
  /** The first epoch's number, for a run that goes on. @default 0 */
  initialEpoch?: number;
  /** A weight for each class, as in fit. */
  classWeight?: ClassWeight | ClassWeight[] | Record<string, ClassWeight>;
  /** A weight for each sample: n numbers. */
  sampleWeight?: ArrayValues | number[] | tf.Tensor;
  /**
   * Called in this process, as in fit. The model's weights are up to date at the end of an epoch
   * and of the run.
   */
  callbacks?: Callbacks;
  /** 0: silent; 1: live progress. @default 1 */
  verbose?: 0 | 1;
  /**
   * Fixes the order of samples and the dropout masks. Without it one is drawn, and `record.seed`
   * tells it.
   */
  seed?: number;
  /** 1, or a list with one device: ['cuda:0'], ['cpu']. @default 1 */
  devices?: number | string[];
  /** Threads of the engine on a CPU. @default all physical cores that this process may use */
  threads?: number;
  /**
   * Parts in which a batch goes through the model, their gradients summed before the one update.
   * @default 1
   */
  microBatches?: number;
  /**
   * What is computed again before its backward, so that its activations need not be kept: 'block',
   * every block of several layers; or the names of blocks and layers; in a pipeline also 'stage',
   * all of it from its input. @default 'none'
   */
  recompute?: Recompute;
  /** The largest Euclidean norm of all gradients together. */
  globalClipNorm?: number;
  /** The most bytes of tensors alive at once: a number, or '256MB' (10^6) or '256MiB' (2^20). */
  memoryLimit?: number | string;
  /**
   * Modules that the worker imports before it rebuilds the model: layers of your own, losses as
   * `{module, export}`.
   */
  modules?: ModuleReference[];
  /** The longest that the worker may say nothing, in milliseconds. @default no limit */
  timeoutMs?: number;
  /**
   * 'phases': forward, backward, update and input of each step; 'layers': each layer's too; false:
   * none. @default 'phases'
   */
  trace?: boolean | 'phases' | 'layers';
  /** A file to which the run's record is written as JSON. */
  record?: string;
  /** Stops the run. */
  signal?: AbortSignal;
}

/** The shorthands of a strategy; 'auto' chooses, and the result's `plan` says what and why. */
export type StrategyName =
  | 'auto'
  | 'dataParallel'
  | 'zero1'
  | 'zero2'
  | 'fsdp'
  | 'tensorParallel'
  | 'pipelineParallel';

/** What a strategy object may say besides how the devices are divided. */
export interface StrategyFields {
  /** As the option of this name. */
  microBatches?: number;
  /** As the option of this name. */
  recompute?: Recompute;
  /** Of a pipeline: its name, or a list of actions a rank. @default '1f1b' */
  schedule?: ScheduleName | Schedule;
  /** Stages a rank of a pipeline; more than 1 with 'interleaved-1f1b'. @default 2 there, else 1 */
  stagesPerRank?: number;
  /** The blocks or layers with which a pipeline's later stages begin. */
  splitAt?: string[];
  /** By what the stages are made alike where `splitAt` is not given. @default 'computed' */
  balance?: Balance;
  /**
   * Of tensor parallelism: layer-name pattern to rule. @default Dense pairs, attention heads,
   * embeddings and convolutions
   */
  layout?: Layout;
  /**
   * Of tensor parallelism: between the divided layers each rank keeps its own positions of
   * [samples, positions, ...] (Korthikanti et al. 2022). @default false
   */
  sequenceParallel?: boolean;
}

/** What a row of `plan` says beside its strategy. */
export interface RowFields {
  /** How many of the devices it uses, the first ones. @default all */
  devices?: number;
  warning?: string;
  reason?: string;
  prediction?: object;
}

/** Its shorthand, or the strategy object itself (-1 in a mesh: what is left over). */
export type Strategy =
  | StrategyName
  | ({kind: Exclude<StrategyName, 'auto'>} & StrategyFields)
  | ({
      mesh: {data?: number; tensor?: number; pipeline?: number};
      zero?: 0 | 1 | 2 | 3;
    } & StrategyFields &
      RowFields);

/** `train`'s options for several devices: how many, and how the work is divided among them. */
export interface TrainParallelOptions
  extends Omit<TrainOptions, 'devices' | 'threads' | 'timeoutMs'> {
  /**
   * How many devices: the first n GPUs, or n CPU workers where there are fewer; or their ids, such
   * as ['cuda:0', 'cuda:0']. @default 2
   */
  devices?: number | string[];
  /** Threads of each CPU worker's engine. @default 1 where there are several */
  threads?: number;
  /** How the work is divided. @default 'auto' */
  strategy?: Strategy;
  /** Bytes of gradients that leave together: a number, or '4MiB'. @default 4 MiB */
  bucketBytes?: number | string;
  /** The longest that a rank waits for another in one operation, in milliseconds. @default 30000 */
  timeoutMs?: number;
}

const KNOWN: ReadonlyArray<keyof TrainOptions> = [
  'epochs',
  'batchSize',
  'shuffle',
  'validationSplit',
  'validationData',
  'initialEpoch',
  'classWeight',
  'sampleWeight',
  'callbacks',
  'verbose',
  'seed',
  'devices',
  'threads',
  'microBatches',
  'recompute',
  'globalClipNorm',
  'memoryLimit',
  'modules',
  'timeoutMs',
  'trace',
  'record',
  'signal',
];
const NOT_YET = ['checkpoint', 'resumeFrom', 'recovery'];
const PARALLEL = ['strategy', 'bucketBytes'];

/** The options with their defaults in place. */
export interface CheckedOptions {
  epochs: number;
  batchSize: number;
  shuffle: boolean;
  validationSplit: number;
  validationData: Data | null;
  initialEpoch: number;
  classWeight: TrainOptions['classWeight'] | null;
  sampleWeight: TrainOptions['sampleWeight'] | null;
  verbose: number;
  seed: number;
  threads: number | null;
  microBatches: number;
  globalClipNorm: number | undefined;
  recompute: Recompute;
  memoryLimit: number | undefined;
  modules: ModuleReference[];
  timeoutMs: number;
  trace: 'phases' | 'layers' | 'none';
  record: string | null;
}

function refuse(name: string, value: unknown, expected: string): never {
  throw new ManyHandsError('BAD_OPTION', `${name} must be ${expected}; it is ${shown(value)}.`);
}

function count(
  options: TrainOptions,
  name: 'epochs' | 'batchSize' | 'initialEpoch' | 'microBatches' | 'threads' | 'timeoutMs',
  least: number,
): number | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || value < least)
    refuse(name, value, `a whole number from ${least}`);
  return value;
}

function checkNames(options: TrainOptions, parallel: boolean): void {
  const known = parallel ? [...KNOWN, ...PARALLEL] : (KNOWN as readonly string[]);
  if (options === null || typeof options !== 'object')
    refuse('options', options, 'an object such as {epochs: 2, batchSize: 256}');
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    if (NOT_YET.includes(name))
      throw new ManyHandsError(
        'NOT_YET',
        `the option '${name}' is not there yet in this version: leave it out.`,
      );
    if (PARALLEL.includes(name))
      throw new ManyHandsError(
        'BAD_OPTION',
        `the option '${name}' says how to use several devices; train uses one: leave it out.`,
      );
    throw new ManyHandsError(
      'BAD_OPTION',
      `${parallel ? 'trainParallel' : 'train'} has no option '${name}'. It knows: ${known.join(', ')}.`,
    );
  }
}

function checkValidation(options: TrainOptions): Data | null {
  const {validationData: data, validationSplit: split = 0} = options;
  if (typeof split !== 'number' || !(split >= 0 && split < 1))
    refuse('validationSplit', split, 'a share from 0 up to, but not, 1');
  if (data === undefined) return null;
  if (!Array.isArray(data)) return data;
  if (data.length !== 2) refuse('validationData', data, '{xs, ys}, or [xs, ys]');
  return {xs: data[0], ys: data[1]} as DataArrays;
}

function checkDevices(devices: TrainOptions['devices']): void {
  const asked = Array.isArray(devices) ? devices.length : (devices ?? 1);
  if (asked !== 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `train uses one device; devices asks for ${shown(devices)}. Leave it out, name one (devices: ['cpu']), or call trainParallel.`,
    );
}

/**
 * Checks `options`; throws `BAD_OPTION` or `NOT_YET` with the name, the value and what would do.
 */
export function checkOptions(options: TrainOptions, parallel = false): CheckedOptions {
  checkNames(options, parallel);
  if (!parallel) checkDevices(options.devices);
  const {
    shuffle = true,
    verbose = 1,
    globalClipNorm,
    seed,
    recompute = 'none',
    modules = [],
    trace = 'phases',
    record = null,
  } = options;
  if (typeof shuffle !== 'boolean') refuse('shuffle', shuffle, 'true or false');
  if (verbose !== 0 && verbose !== 1) refuse('verbose', verbose, '0 or 1');
  if (globalClipNorm !== undefined && !(typeof globalClipNorm === 'number' && globalClipNorm > 0))
    refuse('globalClipNorm', globalClipNorm, 'a number above 0');
  if (
    recompute !== 'none' &&
    recompute !== 'block' &&
    !(parallel && recompute === 'stage') &&
    !(Array.isArray(recompute) && recompute.every((name) => typeof name === 'string'))
  )
    refuse('recompute', recompute, "'none', 'block', or a list of the names of blocks and layers");
  if (seed !== undefined) checkSeed(seed);
  if (!Array.isArray(modules)) refuse('modules', modules, 'a list of URLs, or of {module, export}');
  if (record !== null && (typeof record !== 'string' || record === ''))
    refuse('record', record, 'the name of a file to write');
  const traces = [true, false, 'phases', 'layers'];
  if (!traces.includes(trace))
    refuse('trace', trace, `true, false, ${oneOf(['phases', 'layers'])}`);
  const epochs = count(options, 'epochs', 1) ?? 1;
  const batchSize = count(options, 'batchSize', 1) ?? 32;
  const microBatches = count(options, 'microBatches', 1) ?? 1;
  if (microBatches > batchSize)
    refuse('microBatches', microBatches, `at most batchSize, which is ${batchSize}`);
  return {
    epochs,
    batchSize,
    shuffle,
    validationSplit: options.validationSplit ?? 0,
    validationData: checkValidation(options),
    initialEpoch: count(options, 'initialEpoch', 0) ?? 0,
    classWeight: options.classWeight ?? null,
    sampleWeight: options.sampleWeight ?? null,
    verbose,
    seed: seed ?? Math.floor(Math.random() * 2 ** 31),
    threads: count(options, 'threads', 1) ?? null,
    microBatches,
    globalClipNorm,
    recompute,
    memoryLimit:
      options.memoryLimit === undefined
        ? undefined
        : parseBytes(options.memoryLimit, 'memoryLimit'),
    modules,
    timeoutMs: count(options, 'timeoutMs', 1) ?? 0,
    trace: trace === false ? 'none' : trace === 'layers' ? 'layers' : 'phases',
    record,
  };
}
