/**
 * `trainParallel(model, data, options)` trains on several devices, with one worker process for
 * each.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data} from './base/arrays';
import type {TrainParallelOptions} from './config/options';
import {planModel} from './planner/plan';
import {resolveRun, type Choice, type ChoiceContext, type Transport} from './run/resolveRun';
import type {TrainResult} from './run/result';
import {runTraining} from './run/runTraining';

/**
 * Chooses the planner's first row that agrees with the options; data parallelism if no row agrees.
 */
async function choose({options, devices, ...context}: ChoiceContext): Promise<Choice> {
  const {batchSize, memoryLimit, microBatches, recompute, modules} = options;
  const ids = devices.map(({id}) => id);
  const rows = await planModel(context, {batchSize, ids, memoryLimit, modules});
  const agrees = <T>(planned: T, requested: T | undefined) =>
    requested === undefined || JSON.stringify(planned) === JSON.stringify(requested);
  const row = rows.find(
    ({strategy}) =>
      agrees(strategy.microBatches, microBatches) && agrees(strategy.recompute, recompute),
  );
  if (row)
    return {
      strategy: row.strategy,
      origin: 'auto',
      because: "chosen by 'auto'",
      reason: row.reason,
    };
  const requests = [
    ...(microBatches === undefined ? [] : [`microBatches ${microBatches}`]),
    ...(recompute === undefined ? [] : [`recompute ${JSON.stringify(recompute)}`]),
  ];
  return {
    strategy: 'dataParallel',
    origin: 'fallback',
    because: `'auto' found no plan with ${requests.join(' and ')}, so it took data parallelism`,
  };
}

/** The same as `trainParallel`, over a transport that the caller chooses. */
export async function trainParallelOver(
  transport: Transport | undefined,
  model: tf.LayersModel,
  data: Data,
  options: TrainParallelOptions,
): Promise<TrainResult> {
  const defaults = {caller: 'trainParallel', transport, choose} as const;
  return runTraining(await resolveRun(model, data, options, defaults));
}

/**
 * Trains a compiled `model` on `data` on several devices at once. Afterwards `model` has the
 * trained weights and its optimizer the new state. `batchSize` is the size of the global batch,
 * which is divided among the devices. With the same seed every step equals a step of `train`, up to
 * the order in which floats are added (synchronous SGD: Li et al. 2020, "PyTorch Distributed",
 * section 2).
 *
 * The strategies: 'dataParallel' copies the model to each device. 'zero1' divides the optimizer's
 * state, 'zero2' also the gradients, 'fsdp' also the weights (Rajbhandari et al. 2020, "ZeRO",
 * section 5). 'pipelineParallel' gives each device consecutive layers (Huang et al. 2019, "GPipe").
 * 'tensorParallel' gives each device a shard of each large weight (Shoeybi et al. 2019,
 * "Megatron-LM"). A mesh combines them (Narayanan et al. 2021). 'auto', the default, uses the first
 * row of `plan`, which measures the model the first time.
 *
 * Returns what `train` returns; its `plan` says which strategy ran and whether it was requested,
 * chosen or a fallback. Throws what `train` throws, and COLLECTIVE_MISMATCH, TIMEOUT or WORKER with
 * the rank that failed.
 */
export async function trainParallel(
  model: tf.LayersModel,
  data: Data,
  options: TrainParallelOptions = {},
): Promise<TrainResult> {
  return trainParallelOver(undefined, model, data, options);
}
