/**
 * Checks the options of `train` and `trainParallel` before any worker starts.
 */
import type {Data, DataArrays} from '../base/arrays';
import {ManyHandsError, oneOf, shown} from '../base/errors';
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

const TRAIN: ReadonlyArray<keyof TrainOptions> = [
  ...(['epochs', 'batchSize', 'shuffle', 'validationSplit', 'validationData'] as const),
  ...(['initialEpoch', 'classWeight', 'sampleWeight', 'callbacks', 'verbose', 'seed'] as const),
  ...(['devices', 'threads', 'microBatches', 'recompute', 'globalClipNorm'] as const),
  ...(['memoryLimit', 'modules', 'trace', 'record', 'signal'] as const),
  'silenceTimeoutMs',
];
/** What `train` alone has: in a parallel run most ranks are silent by nature. */
const TRAIN_ONLY = ['silenceTimeoutMs'];
const PARALLEL: ReadonlyArray<keyof TrainParallelOptions> = [
  'strategy',
  'bucketBytes',
  'timeoutMs',
];
const NOT_YET = ['checkpoint', 'resumeFrom', 'recovery'];
const RETIRED: Record<string, string> = {clipNorm: 'globalClipNorm'};

function refuse(name: string, value: unknown, expected: string): never {
  throw new ManyHandsError('BAD_OPTION', `${name} must be ${expected}; it is ${shown(value)}.`);
}

function count(
  options: TrainOptions & TrainParallelOptions,
  name: keyof TrainOptions | keyof TrainParallelOptions,
  least: number,
): number | undefined {
  const value = options[name] as number | undefined;
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || value < least)
    refuse(name, value, `a whole number from ${least}`);
  return value;
}

function refuseName(name: string, caller: Caller, known: readonly string[]): never {
  if (NOT_YET.includes(name))
    throw new ManyHandsError(
      'NOT_YET',
      `the option '${name}' is not there yet in this version: leave it out.`,
    );
  if (caller === 'train' && name === 'timeoutMs')
    throw new ManyHandsError(
      'BAD_OPTION',
      'timeoutMs limits the wait in a collective, and train has none. To stop a worker that is silent for too long, use silenceTimeoutMs.',
    );
  if (TRAIN_ONLY.includes(name))
    throw new ManyHandsError(
      'BAD_OPTION',
      `the option '${name}' belongs to train. In trainParallel, timeoutMs limits the wait of a rank in one collective.`,
    );
  if (caller === 'train' && PARALLEL.includes(name as keyof TrainParallelOptions))
    throw new ManyHandsError(
      'BAD_OPTION',
      `the option '${name}' says how to use several devices; train uses one: leave it out.`,
    );
  if (name in RETIRED)
    throw new ManyHandsError(
      'BAD_OPTION',
      `${caller} has no option '${name}'. It is called ${RETIRED[name]} now.`,
    );
  throw new ManyHandsError(
    'BAD_OPTION',
    `${caller} has no option '${name}'. It knows: ${known.join(', ')}.`,
  );
}

function checkNames(options: TrainParallelOptions, caller: Caller): void {
  const known: readonly string[] =
    caller === 'train'
      ? TRAIN
      : [...TRAIN.filter((name) => !TRAIN_ONLY.includes(name)), ...PARALLEL];
  if (options === null || typeof options !== 'object')
    refuse('options', options, 'an object such as {epochs: 2, batchSize: 256}');
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) refuseName(unknown, caller, known);
}

function checkValidation(options: TrainParallelOptions): Data | null {
  const {validationData: data, validationSplit: split = 0} = options;
  if (typeof split !== 'number' || !(split >= 0 && split < 1))
    refuse('validationSplit', split, 'a share from 0 up to, but not, 1');
  if (data === undefined) return null;
  if (!Array.isArray(data)) return data;
  if (data.length !== 2) refuse('validationData', data, '{xs, ys}, or [xs, ys]');
  return {xs: data[0], ys: data[1]} as DataArrays;
}

function checkOneDevice(devices: TrainOptions['devices']): void {
  const asked = Array.isArray(devices) ? devices.length : (devices ?? 1);
  if (asked !== 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `train uses one device; devices asks for ${shown(devices)}. Leave it out, name one (devices: ['cpu']), or call trainParallel.`,
    );
}

function checkRecompute(recompute: unknown, caller: Caller): void {
  const names = ['none', 'block', ...(caller === 'trainParallel' ? ['stage'] : [])];
  if (recompute === undefined || names.includes(recompute as string)) return;
  if (Array.isArray(recompute) && recompute.every((name) => typeof name === 'string')) return;
  refuse('recompute', recompute, "'none', 'block', or a list of the names of blocks and layers");
}

function checkTrace(trace: TrainOptions['trace']): CheckedOptions['trace'] {
  if (![undefined, true, false, 'phases', 'layers'].includes(trace))
    refuse('trace', trace, `true, false, ${oneOf(['phases', 'layers'])}`);
  if (trace === false) return 'none';
  return trace === 'layers' ? 'layers' : 'phases';
}

/** Checks the options that are neither counts nor checked by a function of their own. */
function checkRest(options: TrainParallelOptions): void {
  const {shuffle = true, verbose = 1, globalClipNorm, seed, modules = [], record} = options;
  if (typeof shuffle !== 'boolean') refuse('shuffle', shuffle, 'true or false');
  if (verbose !== 0 && verbose !== 1) refuse('verbose', verbose, '0 or 1');
  if (globalClipNorm !== undefined && !(typeof globalClipNorm === 'number' && globalClipNorm > 0))
    refuse('globalClipNorm', globalClipNorm, 'a number above 0');
  if (seed !== undefined) checkSeed(seed);
  if (!Array.isArray(modules)) refuse('modules', modules, 'a list of URLs, or of {module, export}');
  if (record !== undefined && (typeof record !== 'string' || record === ''))
    refuse('record', record, 'the name of a file to write');
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
  if (caller === 'train') checkOneDevice(options.devices);
  checkRest(options);
  checkRecompute(options.recompute, caller);
  const trace = checkTrace(options.trace);
  const epochs = count(options, 'epochs', 1) ?? 1;
  const batchSize = count(options, 'batchSize', 1) ?? 32;
  const microBatches = count(options, 'microBatches', 1);
  if (microBatches !== undefined && microBatches > batchSize)
    refuse('microBatches', microBatches, `at most batchSize, which is ${batchSize}`);
  return {
    epochs,
    batchSize,
    shuffle: options.shuffle ?? true,
    validationSplit: options.validationSplit ?? 0,
    validationData: checkValidation(options),
    initialEpoch: count(options, 'initialEpoch', 0) ?? 0,
    classWeight: options.classWeight ?? null,
    sampleWeight: options.sampleWeight ?? null,
    verbose: options.verbose ?? 1,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 31),
    devices: options.devices ?? (caller === 'train' ? 1 : 2),
    threads: count(options, 'threads', 1) ?? null,
    microBatches,
    recompute: options.recompute,
    globalClipNorm: options.globalClipNorm,
    memoryLimit: bytes(options, 'memoryLimit'),
    modules: options.modules ?? [],
    silenceTimeoutMs: count(options, 'silenceTimeoutMs', 1) ?? 0,
    trace,
    record: options.record ?? null,
    callbacks: options.callbacks,
    signal: options.signal,
    strategy: options.strategy ?? 'auto',
    bucketBytes: bytes(options, 'bucketBytes') ?? BUCKET_BYTES,
    timeoutMs: count(options, 'timeoutMs', 1) ?? DEFAULT_TIMEOUT_MS,
  };
}
