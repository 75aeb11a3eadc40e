/**
 * `train(model, data, options)`: one device, in a worker process of its own.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data} from '../base/arrays';
import {chooseDevices} from '../devices/devices';
import {engineInfo} from '../devices/engine';
import {Mesh} from '../mesh/mesh';
import {runTraining} from './runTraining';
import {checkOptions, type TrainOptions} from '../config/options';
import type {TrainResult} from './result';

/**
 * Trains a compiled `model` on `data` ({xs, ys}: tensors or `{values, shape}`, dim 0 counting
 * samples) on one device, in a worker process; afterwards `model` and its optimizer hold what was
 * learned. Options are fit's own and a few more (`TrainOptions`). Throws `ManyHandsError`:
 * BAD_OPTION, BAD_DATA, BAD_MODEL before a worker starts; MEMORY_LIMIT, NOT_FINITE, TIMEOUT,
 * ABORTED, WORKER while it runs, with the model as it was when it was last given weights.
 */
export async function train(
  model: tf.LayersModel,
  data: Data,
  options: TrainOptions = {},
): Promise<TrainResult> {
  const checked = checkOptions(options);
  const [device] = chooseDevices(options.devices);
  const threads =
    engineInfo().name === 'javascript'
      ? 1
      : device.kind === 'cpu'
        ? (checked.threads ?? device.threads)
        : 0;
  return runTraining(model, data, {
    checked,
    devices: [{rank: 0, id: device.id, name: device.name, threads}],
    cutting: {},
    plan: {
      mesh: new Mesh({data: 1, tensor: 1, pipeline: 1}),
      zero: 0,
      microBatches: checked.microBatches,
      recompute: checked.recompute,
      reason: 'train uses one device, which holds the whole model and sees all the data.',
    },
    strategy: 'one device',
    callbacks: options.callbacks,
    signal: options.signal,
    bucketBytes: 0,
    collectiveTimeoutMs: 0,
    together: false,
  });
}
