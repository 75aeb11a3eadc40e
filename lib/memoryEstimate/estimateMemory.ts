/**
 * Where a model's memory goes, before it is trained.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError, shown} from '../base/errors';
import {byCategory, type ByCategory} from '../memory/categories';
import {variablesOf} from '../model/weights';
import {segmentsOf, type Recompute} from '../model/segments';
import {optimizerSizes, type OptimizerSizes} from './optimizerSizes';
import {probeModel, type Probed} from './probe';
import {simulatePass} from './simulateStep';

/** How a step is to be taken, as `train`'s options say it. */
export interface EstimateMemoryOptions {
  /** Samples of one optimizer step. @default 32 */
  batchSize?: number;
  /** Parts in which a batch goes through the model. @default 1 */
  microBatches?: number;
  /** What is computed again before its backward. @default 'none' */
  recompute?: Recompute;
}

/** One layer's part, in bytes. */
export interface MemoryEstimateRow {
  layer: string;
  /** Bytes of its weights. */
  parameters: number;
  /** Bytes of their gradients. */
  gradients: number;
  /** Bytes of the optimizer's state for them. */
  optimizer: number;
  /** Bytes of what it made and is still alive when the forward ends. */
  activations: number;
}

/** Where the bytes of a step go. */
export interface MemoryEstimate {
  rows: MemoryEstimateRow[];
  /** The most bytes alive at once. */
  peakBytes: number;
  /** They, by what they are for. */
  byCategory: ByCategory;
  /** Where the peak is. */
  at: {phase: 'forward' | 'loss' | 'backward' | 'update'; layer: string | null};
}

function elementsOf(tensors: Iterable<{size: number}>): number {
  let count = 0;
  for (const {size} of tensors) count += size;
  return count;
}

function check({batchSize = 32, microBatches = 1}: EstimateMemoryOptions): void {
  for (const [name, value] of Object.entries({batchSize, microBatches})) {
    if (!Number.isInteger(value) || value < 1)
      throw new ManyHandsError(
        'BAD_OPTION',
        `account: ${name} must be a whole number from 1; it is ${shown(value)}.`,
      );
  }
  if (microBatches > batchSize)
    throw new ManyHandsError(
      'BAD_OPTION',
      `account: microBatches must be at most batchSize, which is ${batchSize}; it is ${microBatches}.`,
    );
}

/** The account of a compiled model, for any batch size: what it takes is probed once. */
export class MemoryEstimator {
  private readonly probed: Probed;
  private readonly optimizer: OptimizerSizes;
  private readonly parameters: number;
  private readonly largest: number;

  constructor(model: tf.LayersModel) {
    this.probed = probeModel(model);
    this.optimizer = optimizerSizes(model.optimizer);
    this.parameters = 4 * elementsOf(new Set(variablesOf(model)));
    this.largest = Math.max(...this.probed.sum.entries.map(({variable}) => variable.size));
  }

  /** The account of a step. Throws BAD_OPTION. */
  at(options: EstimateMemoryOptions = {}): MemoryEstimate {
    check(options);
    const {batchSize = 32, microBatches = 1, recompute = 'none'} = options;
    const {graph, sum} = this.probed;
    const segments = segmentsOf(graph, recompute);
    const trained = elementsOf(sum.entries.map(({variable}) => variable));
    const state = this.optimizer.state * trained + this.optimizer.fixed;
    // The largest micro-batch decides; where there are several, it may come when gradients are
    // there already.
    const pass = simulatePass(
      this.probed,
      segments,
      Math.ceil(batchSize / microBatches),
      microBatches > 1,
    );
    const kept = this.parameters + state;
    const temporary = this.optimizer.update * this.largest;
    const updated = 4 * trained + temporary;
    const updating = updated > pass.peak;
    const seen = new Set<object>();
    const rows = graph.calls.map((call, i): MemoryEstimateRow => {
      const first = !seen.has(call.layer);
      seen.add(call.layer);
      const weights = first ? elementsOf(new Set(variablesOf(call.layer))) : 0;
      const trainable = first ? elementsOf(sum.weightsOf(call.layer)) : 0;
      return {
        layer: call.name,
        parameters: 4 * weights,
        gradients: 4 * trainable,
        optimizer: this.optimizer.state * trainable,
        activations: pass.held[i],
      };
    });
    return {
      rows: [
        {
          layer: 'inputs and targets',
          parameters: 0,
          gradients: 0,
          optimizer: 0,
          activations: pass.batch,
        },
        ...rows,
      ],
      peakBytes: kept + Math.max(updated, pass.peak),
      byCategory: byCategory(
        updating
          ? [this.parameters, 4 * trained, state, 0, 0, 0, temporary]
          : [this.parameters, pass.gradients, state, pass.activations, 0, 0, 0],
      ),
      at: updating ? {phase: 'update', layer: null} : pass.valueAt,
    };
  }

  /** The largest batch whose step stays within `limitBytes`; 0 where not even one sample does. */
  largestBatch(limitBytes: number, options: Omit<EstimateMemoryOptions, 'batchSize'> = {}): number {
    const {microBatches = 1} = options;
    const fits = (size: number) =>
      this.at({...options, batchSize: size * microBatches}).peakBytes <= limitBytes;
    if (!fits(1)) return 0;
    let low = 1;
    let high = 2;
    while (fits(high) && high < 2 ** 24) [low, high] = [high, high * 2];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (fits(middle)) low = middle;
      else high = middle;
    }
    return low * microBatches;
  }
}

/**
 * Where the memory of one training step of a compiled `model` on one device goes: bytes a layer and
 * a category, and the peak. No step is taken; each layer is tried over two samples and three.
 * Throws BAD_OPTION.
 */
export function estimateMemory(
  model: tf.LayersModel,
  options: EstimateMemoryOptions = {},
): MemoryEstimate {
  check(options);
  return new MemoryEstimator(model).at(options);
}
