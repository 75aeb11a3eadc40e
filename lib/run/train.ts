/**
 * `train(model, data, options)`: one device, in a worker process of its own.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data} from '../base/arrays';
import type {TrainOptions} from '../config/options';
import {resolveRun} from './resolveRun';
import type {TrainResult} from './result';
import {runTraining} from './runTraining';

/**
 * Trains a compiled `model` on `data` ({xs, ys}: tensors or `{values, shape}`, dim 0 counting
 * samples) on one device, in a worker process. Afterwards `model` and its optimizer hold what was
 * learned. Options are fit's own and a few more (`TrainOptions`). Returns the history, the plan,
 * the trace, the memory and the speed of the run (`TrainResult`). Throws `ManyHandsError`:
 * BAD_OPTION, BAD_DATA, BAD_MODEL before a worker starts; MEMORY_LIMIT, NOT_FINITE, TIMEOUT,
 * ABORTED, WORKER while it runs, with the model as it was when it last received weights.
 */
export async function train(
  model: tf.LayersModel,
  data: Data,
  options: TrainOptions = {},
): Promise<TrainResult> {
  return runTraining(await resolveRun(model, data, options, {caller: 'train'}));
}
