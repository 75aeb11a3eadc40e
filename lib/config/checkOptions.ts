/**
 * Checks the options of `train` and `trainParallel` before any worker starts.
 */
import type {Data, DataArrays} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import {
  anything,
  either,
  listOf,
  nameFrom,
  nonEmptyString,
  numberAmong,
  positiveNumber,
  readOptions,
  refuseOption,
  shareBelow1,
  trueOrFalse,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {checkSeed} from '../base/random';
import {parseBytes} from '../base/units';
import {DEFAULT_TIMEOUT_MS} from '../collectives/sharedMemory';
import type {ModuleReference} from '../model/describe';
import type {Recompute} from '../model/segments';
import type {Strategy, TrainOptions, TrainParallelOptions} from './options';

/** The default size of a gradient bucket in bytes. */
export const BUCKET_BYTES = 4 * 2 ** 20;

/** The function that was called: it decides which options exist, and their defaults. */
export type Caller = 'train' | 'trainParallel';

/** The options with their defaults filled in. */
export interface CheckedOptions {
  epochs: number;
  batchSize: number;
  shuffle: boolean;
  validationSplit: number;
  validationData: Data | null;
  initialEpoch: number;
  classWeight: TrainOptions['classWeight'] | null;
  sampleWeight: TrainOptions['sampleWeight'] | null;
  verbose: 0 | 1;
  seed: number;
  devices: number | string[];
  threads: number | null;
  /** Undefined if the strategy decides. */
  microBatches: number | undefined;
  /** Undefined if the strategy decides. */
  recompute: Recompute | undefined;
  globalClipNorm: number | undefined;
  memoryLimit: number | undefined;
  modules: ModuleReference[];
  /** How long a worker may be silent, in milliseconds; 0 means no limit. */
  silenceTimeoutMs: number;
  trace: 'phases' | 'layers' | 'none';
  record: string | null;
  callbacks: TrainOptions['callbacks'];
  signal: AbortSignal | undefined;
  strategy: Strategy;
  bucketBytes: number;
  /** How long a rank waits in one collective, in milliseconds. */
  timeoutMs: number;
}

const moduleList = listOf('URLs, or of {module, export}');
/** As in every table, undefined means that the option was left out. */
const TRAIN: OptionTable<TrainOptions> = {
  'epochs?': wholeNumber(1),
  'batchSize?': wholeNumber(1),
  'shuffle?': trueOrFalse,
  'validationSplit?': shareBelow1,
  // `checkData` checks it against the model.
  'validationData?': anything,
  'initialEpoch?': wholeNumber(0),
  'classWeight?': anything,
  'sampleWeight?': anything,
  'callbacks?': anything,
  'verbose?': numberAmong([0, 1]),
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
  'signal?': anything,
};
const {'silenceTimeoutMs?': _, ...SHARED} = TRAIN;
const PARALLEL: OptionTable<TrainParallelOptions> = {
  ...SHARED,
  // `readStrategy` checks it.
  'strategy?': anything,
  'bucketBytes?': anything,
  'timeoutMs?': wholeNumber(1),
};
const NOT_YET = ['checkpoint', 'resumeFrom', 'recovery'];

/** Options that exist only in the other function, and what to do instead. */
const ELSEWHERE: Record<Caller, Record<string, string>> = {
  train: {
    strategy: 'says how to use several devices; train uses one: leave it out',
    bucketBytes: 'says how to use several devices; train uses one: leave it out',
    timeoutMs:
      'limits the wait in a collective, and train has none; to stop a worker that is silent for too long, use silenceTimeoutMs',
  },
  trainParallel: {
    silenceTimeoutMs:
      'belongs to train; in trainParallel, timeoutMs limits the wait of a rank in one collective',
  },
};

function checkNames(options: object, caller: Caller): void {
  for (const name of Object.keys(options ?? {})) {
    if (NOT_YET.includes(name))
      throw new ManyHandsError(
        'NOT_YET',
        `the option '${name}' is not there yet in this version: leave it out.`,
      );
    if (Object.hasOwn(ELSEWHERE[caller], name))
      refuseOption(`the option '${name}' ${ELSEWHERE[caller][name]}.`);
  }
}

function checkValidation(options: TrainParallelOptions): Data | null {
  const {validationData: data} = options;
  if (data === undefined) return null;
  if (!Array.isArray(data)) return data;
  if (data.length !== 2)
    refuseOption(`validationData must be {xs, ys}, or [xs, ys]; it is ${shown(data)}.`);
  return {xs: data[0], ys: data[1]} as DataArrays;
}

function checkOneDevice(devices: TrainOptions['devices']): void {
  const count = Array.isArray(devices) ? devices.length : (devices ?? 1);
  if (count !== 1)
    refuseOption(
      `train uses one device; devices asks for ${shown(devices)}. Leave it out, name one (devices: ['cpu']), or call trainParallel.`,
    );
}

function checkRecompute(recompute: unknown, caller: Caller): void {
  const names = ['none', 'block', ...(caller === 'trainParallel' ? ['stage'] : [])];
  if (recompute === undefined || names.includes(recompute as string)) return;
  if (Array.isArray(recompute) && recompute.every((name) => typeof name === 'string')) return;
  refuseOption(
    `recompute must be 'none', 'block', or a list of the names of blocks and layers; it is ${shown(recompute)}.`,
  );
}

function traceLevel(trace: TrainOptions['trace']): CheckedOptions['trace'] {
  if (trace === false) return 'none';
  return trace === 'layers' ? 'layers' : 'phases';
}

function bytes(options: TrainParallelOptions, name: 'memoryLimit' | 'bucketBytes') {
  const value = options[name];
  return value === undefined ? undefined : parseBytes(value, name);
}

/**
 * Checks `options` and fills in the defaults. Throws BAD_OPTION for an unknown name or a bad value,
 * and NOT_YET for an option of a later version.
 */
export function checkOptions(
  options: TrainOptions & TrainParallelOptions,
  caller: Caller,
): CheckedOptions {
  checkNames(options, caller);
  if (caller === 'train') readOptions<TrainOptions>(caller, options, TRAIN);
  else readOptions<TrainParallelOptions>(caller, options, PARALLEL);
  if (caller === 'train') checkOneDevice(options.devices);
  if (options.seed !== undefined) checkSeed(options.seed);
  checkRecompute(options.recompute, caller);
  const {epochs = 1, batchSize = 32, microBatches} = options;
  if (microBatches !== undefined && microBatches > batchSize)
    refuseOption(
      `microBatches must be at most batchSize, which is ${batchSize}; it is ${microBatches}.`,
    );
  return {
    epochs,
    batchSize,
    shuffle: options.shuffle ?? true,
    validationSplit: options.validationSplit ?? 0,
    validationData: checkValidation(options),
    initialEpoch: options.initialEpoch ?? 0,
    classWeight: options.classWeight ?? null,
    sampleWeight: options.sampleWeight ?? null,
    verbose: options.verbose ?? 1,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 31),
    devices: options.devices ?? (caller === 'train' ? 1 : 2),
    threads: options.threads ?? null,
    microBatches,
    recompute: options.recompute,
    globalClipNorm: options.globalClipNorm,
    memoryLimit: bytes(options, 'memoryLimit'),
    modules: options.modules ?? [],
    silenceTimeoutMs: options.silenceTimeoutMs ?? 0,
    trace: traceLevel(options.trace),
    record: options.record ?? null,
    callbacks: options.callbacks,
    signal: options.signal,
    strategy: options.strategy ?? 'auto',
    bucketBytes: bytes(options, 'bucketBytes') ?? BUCKET_BYTES,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  };
}
