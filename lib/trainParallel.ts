/**
 * Caller side. `trainParallel(model, data, options)`: many devices, a worker process each.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data} from './base/arrays';
import {ManyHandsError} from './base/errors';
import {parseBytes} from './base/units';
import {sharedMemoryAvailable} from './collectives/sharedMemory';
import {chooseDevices, type Device} from './devices/devices';
import {engineInfo} from './devices/engine';
import {launch} from './run/launch';
import {checkOptions, type TrainParallelOptions} from './run/options';
import type {TrainResult} from './run/result';
import {choosePlan} from './run/strategy';

const BUCKET_BYTES = 4 * 2 ** 20;
const TIMEOUT_MS = 30_000;
// Beyond this workers on one machine's cores only stand in line.
const MOST_PER_CORE = 4;
const LEAST_LIMIT = 16;

function refuseCrowd(devices: Device[]): void {
  const cpus = devices.filter((device) => device.kind === 'cpu');
  const most = Math.max(LEAST_LIMIT, MOST_PER_CORE * (cpus[0]?.threads ?? 0));
  if (cpus.length > most) {
    throw new ManyHandsError('DEVICE', `devices asks for ${cpus.length} CPU workers on ${cpus[0].threads} cores; at most ${most} make sense here. Each is a process with an engine and a copy of the model: ask for ${cpus[0].threads}.`);
  }
}

/**
 * Trains a compiled `model` on `data` on several devices at once; afterwards `model` and its optimizer hold what was learned.
 * `batchSize` is the global batch, divided over the devices; with the same seed every step equals that of `train`, up to the order
 * in which floats are added (synchronous SGD: Li et al. 2020, "PyTorch Distributed", section 2). Throws `ManyHandsError` as `train`
 * does, and COLLECTIVE_MISMATCH, TIMEOUT or WORKER with the rank that failed.
 */
export async function trainParallel(model: tf.LayersModel, data: Data, options: TrainParallelOptions = {}): Promise<TrainResult> {
  const {strategy, bucketBytes, timeoutMs, ...rest} = options;
  const checked = checkOptions({...options, timeoutMs} as Parameters<typeof checkOptions>[0], true);
  const chosen = chooseDevices(options.devices ?? 2);
  refuseCrowd(chosen);
  const plan = choosePlan(strategy, chosen.length, options.microBatches);
  if (plan.microBatches > checked.batchSize) throw new ManyHandsError('BAD_OPTION', `microBatches must be at most batchSize, which is ${checked.batchSize}; it is ${plan.microBatches}.`);
  const bytes = bucketBytes === undefined ? BUCKET_BYTES : parseBytes(bucketBytes, 'bucketBytes');
  if (chosen.length > 1 && !sharedMemoryAvailable()) {
    throw new ManyHandsError('DEVICE', 'workers reach each other through shared memory, which needs the package koffi, and it could not be loaded here: run `npm run doctor`, or train on one device.');
  }
  const alone = chosen.length === 1;
  const devices = chosen.map((device, rank) => {
    const threads = engineInfo().name === 'javascript' ? 1 : device.kind === 'cpu' ? checked.threads ?? (alone ? device.threads : 1) : 0;
    return {rank, id: device.id, name: device.name, threads};
  });
  return launch(model, data, {
    checked: {...checked, microBatches: plan.microBatches},
    devices,
    plan,
    strategy: alone ? 'one device' : 'dataParallel',
    callbacks: rest.callbacks,
    signal: rest.signal,
    bucketBytes: bytes,
    collectiveTimeoutMs: timeoutMs ?? TIMEOUT_MS,
  });
}
