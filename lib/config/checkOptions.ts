/**
 * Checks the options of `train` and `trainParallel` before any worker starts.
 */
import type {Data, DataArrays} from '../base/arrays';
import {shown} from '../base/errors';
import {readOptions, refuseOption} from '../base/options';
import {checkSeed} from '../base/random';
import {parseBytes} from '../base/units';
import {DEFAULT_TIMEOUT_MS} from '../collectives/sharedMemory';
import type {ModuleReference} from '../model/describe';
import type {Recompute} from '../model/segments';
import type {Strategy, TrainOptions, TrainParallelOptions} from './options';
import {FIT, PARALLEL, REFUSALS, TRAIN, type Caller} from './optionTables';

/** The default size of a gradient bucket in bytes. */
export const BUCKET_BYTES = 4 * 2 ** 20;

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
  verbose: 0 | 1 | 2;
  yieldEvery: NonNullable<TrainOptions['yieldEvery']>;
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

/** The options without those of fit that are null: fit takes null for "left out". */
function withoutNulls<T extends object>(options: T): T {
  if (typeof options !== 'object' || options === null) return options;
  const entries = Object.entries(options);
  const isLeftOut = ([name, value]: [string, unknown]) => value === null && `${name}?` in FIT;
  return entries.some(isLeftOut)
    ? (Object.fromEntries(entries.filter((entry) => !isLeftOut(entry))) as T)
    : options;
}

function checkValidation({validationData: data}: TrainParallelOptions): Data | null {
  if (data === undefined) return null;
  if (!Array.isArray(data)) return data;
  if ((data as unknown[]).length === 3)
    refuseOption(
      "validationData has a third entry, the samples' weights, which fit refuses too: write [xs, ys]. The validation loss counts every sample the same.",
    );
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
  callerOptions: TrainOptions & TrainParallelOptions,
  caller: Caller,
): CheckedOptions {
  const options = withoutNulls(callerOptions);
  const place = {refused: REFUSALS[caller]};
  if (caller === 'train') readOptions<TrainOptions>(caller, options, TRAIN, place);
  else readOptions<TrainParallelOptions>(caller, options, PARALLEL, place);
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
    yieldEvery: options.yieldEvery ?? 'auto',
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
