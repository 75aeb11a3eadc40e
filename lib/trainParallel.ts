/**
 * Caller side. `trainParallel(model, data, options)`: many devices, a worker process each.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data} from './base/arrays';
import {ManyHandsError, shown} from './base/errors';
import type {DeviceUse} from './base/events';
import {parseBytes} from './base/units';
import {DEFAULT_TIMEOUT_MS, sharedMemoryAvailable} from './collectives/sharedMemory';
import {describeModel} from './model/describe';
import {plan} from './planner/plan';
import {BUCKET_BYTES, checkArrays, launch} from './run/launch';
import {
  checkOptions,
  type Strategy,
  type StrategyFields,
  type TrainParallelOptions,
} from './run/options';
import {isModule} from './run/placeData';
import type {TrainResult} from './run/result';
import {choosePlan, planName} from './run/strategy';
import {teamDevices} from './run/teamDevices';

const TOGETHER =
  'Processes cannot share memory here (the package koffi does not load: see `npm run doctor`, outside the clone `npx many-hands doctor`), so all ranks take turns in one process: the numbers are the same, nothing is faster, no trace is kept, and memory counts all ranks at once.';

function requireOneDevice(devices: DeviceUse[]): void {
  const ids = [...new Set(devices.map(({id}) => id))];
  if (ids.length > 1)
    throw new ManyHandsError(
      'DEVICE',
      `devices names ${ids.join(' and ')}, which takes a process each, and processes cannot share memory here: the package koffi does not load. Run \`npm run doctor\` (outside the clone \`npx many-hands doctor\`), or name one device.`,
    );
}

function checkUsed(used: number, all: number): number {
  if (Number.isInteger(used) && used >= 1 && used <= all) return used;
  throw new ManyHandsError(
    'BAD_OPTION',
    `strategy.devices must be a whole number from 1 to ${all}, the number of devices; it is ${shown(used)}.`,
  );
}

/**
 * What the planner takes, of the rows that have what the options ask for; where ranks cannot be
 * timed, plain copies.
 */
async function automatic(
  model: tf.LayersModel,
  data: Data,
  devices: DeviceUse[],
  {microBatches, recompute, modules}: TrainParallelOptions,
  {batchSize, memoryLimit}: {batchSize: number; memoryLimit: number | undefined},
  transport: RunTransport,
): Promise<Strategy> {
  if (devices.length === 1 || transport === 'inProcess') return 'auto';
  // What is wrong is told before seconds go into measuring.
  await describeModel(model, modules);
  if (!isModule(data)) checkArrays(model, data, 'data');
  const rows = await plan(model, {
    batchSize,
    devices: devices.map(({id}) => id),
    memoryLimit,
    modules,
  });
  const same = <T>(own: T, given: T | undefined) =>
    given === undefined || JSON.stringify(own) === JSON.stringify(given);
  const row = rows.find(
    (one) => same(one.microBatches, microBatches) && same(one.recompute, recompute),
  );
  return row ? row : {kind: 'dataParallel', microBatches, recompute};
}

/** Where the ranks of a run live: a process each, or all in one process, in which they take turns. */
export type RunTransport = 'processes' | 'inProcess';

const dividing = ({splitAt, balance, layout}: StrategyFields) => ({splitAt, balance, layout});

/**
 * Trains a compiled `model` on `data` on several devices at once; afterwards `model` and its
 * optimizer hold what was learned. `batchSize` is the global batch, divided over the devices; with
 * the same seed every step equals that of `train`, up to the order in which floats are added
 * (synchronous SGD: Li et al. 2020, "PyTorch Distributed", section 2). `strategy`: 'dataParallel'
 * copies the model; 'zero1', 'zero2' and 'fsdp' divide the optimizer's state, the gradients too,
 * the weights too (Rajbhandari et al. 2020, "ZeRO", section 5); 'pipelineParallel' gives each
 * device a run of the layers (Huang et al. 2019, "GPipe"), 'tensorParallel' a part of each large
 * weight (Shoeybi et al. 2019, "Megatron-LM"); a mesh has several axes at once (Narayanan et al.
 * 2021). 'auto', the default, takes what `plan` puts first, and measures the model for it the first
 * time. Throws `ManyHandsError` as `train` does, and COLLECTIVE_MISMATCH, TIMEOUT or WORKER with
 * the rank that failed.
 */
export async function trainParallel(
  model: tf.LayersModel,
  data: Data,
  options: TrainParallelOptions = {},
): Promise<TrainResult> {
  const transport = sharedMemoryAvailable() ? 'processes' : 'inProcess';
  return trainParallelOver(transport, model, data, options);
}

/**
 * `trainParallel` over a transport of the caller's choice. Internal: it lets one process compare
 * the two.
 */
export async function trainParallelOver(
  transport: RunTransport,
  model: tf.LayersModel,
  data: Data,
  options: TrainParallelOptions = {},
): Promise<TrainResult> {
  const {strategy, bucketBytes, timeoutMs, ...rest} = options;
  const checked = checkOptions({...options, timeoutMs} as Parameters<typeof checkOptions>[0], true);
  const asked = teamDevices(options.devices ?? 2, checked.threads);
  const chosen =
    strategy === undefined || strategy === 'auto'
      ? await automatic(model, data, asked, options, checked, transport)
      : strategy;
  const used =
    typeof chosen === 'object' &&
    chosen !== null &&
    'devices' in chosen &&
    chosen.devices !== undefined
      ? chosen.devices
      : asked.length;
  const devices = asked.slice(0, checkUsed(used, asked.length));
  const chosenPlan = choosePlan(chosen, devices.length, {
    microBatches: options.microBatches,
    recompute: options.recompute,
    batchSize: checked.batchSize,
  });
  if (chosenPlan.microBatches > checked.batchSize)
    throw new ManyHandsError(
      'BAD_OPTION',
      `microBatches must be at most batchSize, which is ${checked.batchSize}; it is ${chosenPlan.microBatches}.`,
    );
  const bytes = bucketBytes === undefined ? BUCKET_BYTES : parseBytes(bucketBytes, 'bucketBytes');
  const together = devices.length > 1 && transport === 'inProcess';
  if (together) requireOneDevice(devices);
  return launch(model, data, {
    // Ranks that take turns have no times of their own.
    checked: {
      ...checked,
      microBatches: chosenPlan.microBatches,
      recompute: chosenPlan.recompute,
      ...(together ? {trace: 'none' as const} : {}),
    },
    devices,
    plan: together ? {...chosenPlan, reason: `${chosenPlan.reason} ${TOGETHER}`} : chosenPlan,
    together,
    cutting: typeof chosen === 'object' ? dividing(chosen as StrategyFields) : {},
    strategy: planName(chosenPlan),
    callbacks: rest.callbacks,
    signal: rest.signal,
    bucketBytes: bytes,
    collectiveTimeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
  });
}
