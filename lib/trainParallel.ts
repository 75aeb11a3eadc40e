/**
 * `trainParallel(model, data, options)`: many devices, a worker process each.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data} from './base/arrays';
import type {TrainParallelOptions} from './config/options';
import {planModel} from './planner/plan';
import {resolveRun, type Choice, type ChoiceContext, type Transport} from './run/resolveRun';
import type {TrainResult} from './run/result';
import {runTraining} from './run/runTraining';

/**
 * The planner's first row that agrees with the options; plain data parallelism where none does.
 */
async function choose({options, devices, ...context}: ChoiceContext): Promise<Choice> {
  const {batchSize, memoryLimit, microBatches, recompute, modules} = options;
  const ids = devices.map(({id}) => id);
  const rows = await planModel(context, {batchSize, ids, memoryLimit, modules});
  const agrees = <T>(planned: T, asked: T | undefined) =>
    asked === undefined || JSON.stringify(planned) === JSON.stringify(asked);
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
  const asked = [
    ...(microBatches === undefined ? [] : [`microBatches ${microBatches}`]),
    ...(recompute === undefined ? [] : [`recompute ${JSON.stringify(recompute)}`]),
  ];
  return {
    strategy: 'dataParallel',
    origin: 'fallback',
    because: `'auto' found no plan with ${asked.join(' and ')}, so it took data parallelism`,
  };
}

/** As `trainParallel`, over a transport of the caller's choice. */
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
 * Trains a compiled `model` on `data` on several devices at once. Afterwards `model` and its
 * optimizer hold what was learned. `batchSize` is the global batch, divided over the devices. With
 * the same seed every step equals that of `train`, up to the order in which floats are added
 * (synchronous SGD: Li et al. 2020, "PyTorch Distributed", section 2). `strategy`: 'dataParallel'
 * copies the model; 'zero1', 'zero2' and 'fsdp' divide the optimizer's state, the gradients too,
 * the weights too (Rajbhandari et al. 2020, "ZeRO", section 5); 'pipelineParallel' gives each
 * device a run of the layers (Huang et al. 2019, "GPipe"); 'tensorParallel' a part of each large
 * weight (Shoeybi et al. 2019, "Megatron-LM"). A mesh has several axes at once (Narayanan et al.
 * 2021). 'auto', the default, takes what `plan` puts first, and measures the model for it the first
 * time. Returns what `train` returns; its `plan` says which strategy ran, and whether it was asked
 * for, chosen or fallen back to. Throws `ManyHandsError` as `train` does, and COLLECTIVE_MISMATCH,
 * TIMEOUT or WORKER with the rank that failed.
 */
export async function trainParallel(
  model: tf.LayersModel,
  data: Data,
  options: TrainParallelOptions = {},
): Promise<TrainResult> {
  return trainParallelOver(undefined, model, data, options);
}
