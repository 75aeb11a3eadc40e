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

/** Bytes of gradients that are reduced together by default. */
export const BUCKET_BYTES = 4 * 2 ** 20;

/** Which function was called: it decides which options there are, and their defaults. */
export type Caller = 'train' | 'trainParallel';

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
  verbose: 0 | 1;
  seed: number;
  devices: number | string[];
  threads: number | null;
  /** Undefined where the strategy decides. */
  microBatches: number | undefined;
  /** Undefined where the strategy decides. */
  recompute: Recompute | undefined;
  globalClipNorm: number | undefined;
  memoryLimit: number | undefined;
  modules: ModuleReference[];
  /** The longest silence of a worker, in milliseconds; 0 for no limit. */
  silenceTimeoutMs: number;
  trace: 'phases' | 'layers' | 'none';
  record: string | null;
  callbacks: TrainOptions['callbacks'];
  signal: AbortSignal | undefined;
  strategy: Strategy;
  bucketBytes: number;
  /** The longest wait of a rank in one collective, in milliseconds. */
  timeoutMs: number;
}

const moduleList = listOf('URLs, or of {module, export}');
/** Undefined counts as left out, as in every table. */
const TRAIN: OptionTable<TrainOptions> = {
  'epochs?': wholeNumber(1),
  'batchSize?': wholeNumber(1),
  'shuffle?': trueOrFalse,
  'validationSplit?': shareBelow1,
  // Checked against the model, as the data are.
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
  // `checkRecompute` checks it: a pipeline knows one more.
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

/** Options of one function that the other would not know, and what to do. */
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
  const asked = Array.isArray(devices) ? devices.length : (devices ?? 1);
  if (asked !== 1)
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
 * Checks `options`; throws `BAD_OPTION` or `NOT_YET` with the name, the value and what would do.
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
