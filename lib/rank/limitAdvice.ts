/**
 * Adds advice to the error of the memory limit: the estimate of the step's memory, and the options
 * that would fit.
 */
import type * as tf from '@tensorflow/tfjs';
import {MemoryEstimator, type EstimateMemoryOptions} from '../memoryEstimate';
import {ManyHandsError} from '../base/errors';
import {formatBytes} from '../base/units';
import {inWords} from '../memory';
import type {JobOptions, ParallelContext} from '../job/protocol';
import {ADVICE} from '../zero/stageText';

const PARTS = [2, 4, 8, 16, 32, 64];

/** Changes of single options with which the step would fit. */
function fittingOptions(
  estimator: MemoryEstimator,
  limit: number,
  {batchSize, microBatches, recompute}: Required<EstimateMemoryOptions>,
): string[] {
  const fits = (options: EstimateMemoryOptions) => {
    try {
      return estimator.at(options).peakBytes <= limit;
    } catch {
      // A model without blocks has nothing to recompute.
      return false;
    }
  };
  const changes: string[] = [];
  const largest = estimator.largestBatch(limit, {microBatches, recompute});
  if (largest > 0 && largest < batchSize) changes.push(`batchSize: ${largest}`);
  const parts = PARTS.find(
    (count) =>
      count > microBatches &&
      count <= batchSize &&
      fits({batchSize, microBatches: count, recompute}),
  );
  if (parts) changes.push(`microBatches: ${parts} (the same step, in parts)`);
  if (recompute === 'none' && fits({batchSize, microBatches, recompute: 'block'}))
    changes.push("recompute: 'block' (the same step, some of it computed twice)");
  return changes;
}

/**
 * Returns a MEMORY_LIMIT error with advice: the memory estimate of a step on one device, or what a
 * rank of a parallel run could do. Any other error is returned unchanged, and so is this one if no
 * estimate can be made.
 */
export function withAdvice(
  error: unknown,
  model: tf.LayersModel,
  options: JobOptions,
  parallel: ParallelContext | null,
): unknown {
  const {batchSize, microBatches, recompute, memoryLimit} = options;
  if (
    !(error instanceof ManyHandsError) ||
    error.code !== 'MEMORY_LIMIT' ||
    memoryLimit === undefined
  )
    return error;
  if (parallel?.pipeline)
    return new ManyHandsError(
      'MEMORY_LIMIT',
      `${error.message} This rank holds its stage of the model, and the activations of all unfinished micro-batches: take more micro-batches or devices, recompute: 'stage', schedule: '1f1b' instead of 'gpipe', or balance: 'memory'.`,
      {cause: error},
    );
  if (parallel?.tensor)
    return new ManyHandsError(
      'MEMORY_LIMIT',
      `${error.message} This rank holds its shard of the divided weights and every activation between them: take more devices, microBatches, recompute: 'block', or a layout that divides more.`,
      {cause: error},
    );
  if (parallel?.zero === 3) return error;
  if (parallel)
    return new ManyHandsError('MEMORY_LIMIT', `${error.message} ${ADVICE[parallel.zero]}`, {
      cause: error,
    });
  try {
    const estimator = new MemoryEstimator(model);
    const estimate = estimator.at({batchSize, microBatches, recompute});
    const {rows, peakBytes, byCategory, at: peak} = estimate;
    const where = peak.layer ? `in the ${peak.phase} of '${peak.layer}'` : `in the ${peak.phase}`;
    const largestLayers = [...rows]
      .sort((a, b) => b.activations - a.activations)
      .slice(0, 3)
      .filter(({activations}) => activations > 0)
      .map(({layer, activations}) => `'${layer}' ${formatBytes(activations)}`);
    const changes = fittingOptions(estimator, memoryLimit, {batchSize, microBatches, recompute});
    const text =
      ` The memory estimate of a step with batchSize ${batchSize}: ${formatBytes(peakBytes)} at its peak, ${where} (${inWords(byCategory)}); the layers that keep the most activations are ${largestLayers.join(', ')}.` +
      (changes.length > 0
        ? ` What would fit: ${changes.join('; ')}.`
        : ` Not even one sample at a time fits: the model itself needs more, or several devices (strategy: 'fsdp').`);
    return new ManyHandsError('MEMORY_LIMIT', error.message + text, {cause: error});
  } catch {
    return error;
  }
}
