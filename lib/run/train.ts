/**
 * `train(model, data, options)` trains on one device, in a worker process.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data} from '../base/arrays';
import type {TrainOptions} from '../config/options';
import {resolveRun} from './resolveRun';
import type {TrainResult} from './result';
import {runTraining} from './runTraining';

/**
 * Trains a compiled `model` on one device, in a worker process. `data` is `{xs, ys}`: tensors or
 * `{values, shape}`, whose first dimension counts the samples. The options are those of fit and a
 * few more (`TrainOptions`). Afterwards `model` has the trained weights and its optimizer the new
 * state. Returns the history, the plan, the trace, the memory and the speed of the run
 * (`TrainResult`).
 *
 * Throws BAD_OPTION, BAD_DATA, BAD_MODEL and DEVICE before a worker starts, and MEMORY_LIMIT,
 * NOT_FINITE, TIMEOUT, ABORTED and WORKER during the run; the model then has the weights that it
 * last received.
 */
export async function train(
  model: tf.LayersModel,
  data: Data,
  options: TrainOptions = {},
): Promise<TrainResult> {
  return runTraining(await resolveRun(model, data, options, {caller: 'train'}));
}
