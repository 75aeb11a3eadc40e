/**
 * What a refusal by the memory limit says besides: the account of the step, and what
 * of it would fit.
 */
import type * as tf from '@tensorflow/tfjs';
import {MemoryEstimator, type EstimateMemoryOptions} from '../memoryEstimate';
import {ManyHandsError} from '../base/errors';
import {formatBytes} from '../base/units';
import {inWords} from '../memory';
import type {JobOptions, ParallelContext} from '../job/protocol';
import {ADVICE} from '../zero/stageText';

const PARTS = [2, 4, 8, 16, 32, 64];

function fitting(
  account: MemoryEstimator,
  limit: number,
  {batchSize, microBatches, recompute}: Required<EstimateMemoryOptions>,
): string[] {
  const fits = (options: EstimateMemoryOptions) => {
    try {
      return account.at(options).peakBytes <= limit;
    } catch {
      // A model without blocks has nothing to compute again.
      return false;
    }
  };
  const found: string[] = [];
  const largest = account.largestBatch(limit, {microBatches, recompute});
  if (largest > 0 && largest < batchSize) found.push(`batchSize: ${largest}`);
  const parts = PARTS.find(
    (count) =>
      count > microBatches &&
      count <= batchSize &&
      fits({batchSize, microBatches: count, recompute}),
  );
  if (parts) found.push(`microBatches: ${parts} (the same step, in parts)`);
  if (recompute === 'none' && fits({batchSize, microBatches, recompute: 'block'}))
    found.push("recompute: 'block' (the same step, some of it computed twice)");
  return found;
}

/**
 * The same refusal with the account of one device's step, or what a rank of several could do;
 * `error` itself where it is none, or where the account cannot be made.
 */
export function withAdvice(
  error: unknown,
  model: tf.LayersModel,
  options: JobOptions,
  team: ParallelContext | null,
): unknown {
  const {batchSize, microBatches, recompute, memoryLimit} = options;
  if (
    !(error instanceof ManyHandsError) ||
    error.code !== 'MEMORY_LIMIT' ||
    memoryLimit === undefined
  )
    return error;
  if (team?.pipeline)
    return new ManyHandsError(
      'MEMORY_LIMIT',
      `${error.message} This rank holds its stage of the model, and the activations of the micro-batches that are under way: take more micro-batches or devices, recompute: 'stage', schedule: '1f1b' in place of 'gpipe', or balance: 'memory'.`,
      {cause: error},
    );
  if (team?.tensor)
    return new ManyHandsError(
      'MEMORY_LIMIT',
      `${error.message} This rank holds its part of the divided weights and every activation between them: take more devices, microBatches, recompute: 'block', or a layout that divides more.`,
      {cause: error},
    );
  if (team)
    return team.zero === 3
      ? error
      : new ManyHandsError('MEMORY_LIMIT', `${error.message} ${ADVICE[team.zero]}`, {cause: error});
  try {
    const account = new MemoryEstimator(model);
    const {rows, peakBytes, byCategory, at} = account.at({batchSize, microBatches, recompute});
    const where = at.layer ? `in the ${at.phase} of '${at.layer}'` : `in the ${at.phase}`;
    const most = [...rows]
      .sort((a, b) => b.activations - a.activations)
      .slice(0, 3)
      .filter(({activations}) => activations > 0)
      .map(({layer, activations}) => `'${layer}' ${formatBytes(activations)}`);
    const fits = fitting(account, memoryLimit, {batchSize, microBatches, recompute});
    const text =
      ` The account of a step with batchSize ${batchSize}: ${formatBytes(peakBytes)} at its peak, ${where} (${inWords(byCategory)}); the layers that keep the most are ${most.join(', ')}.` +
      (fits.length > 0
        ? ` What would fit: ${fits.join('; ')}.`
        : ` Not even one sample at a time fits: the model itself needs more, or several devices (strategy: 'fsdp').`);
    return new ManyHandsError('MEMORY_LIMIT', error.message + text, {cause: error});
  } catch {
    return error;
  }
}
