/**
 * Estimates the memory of a training step before the model is trained.
 */
import type * as tf from '@tensorflow/tfjs';
import {refuseData} from '../base/callForm';
import {
  aString,
  checkValue,
  either,
  listOf,
  nameFrom,
  positiveNumber,
  readOptions,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {byCategory, type ByCategory} from '../memory/categories';
import {requireCompiled} from '../model/describe';
import {variablesOf} from '../model/weights';
import {segmentsOf, type Recompute} from '../model/segments';
import {optimizerSizes, type OptimizerSizes} from './optimizerSizes';
import {probeModel, type Probed} from './probe';
import {simulatePass} from './simulateStep';

/** How a step is taken; the same options as `train` has. */
export interface EstimateMemoryOptions {
  /** Samples of one optimizer step. @default 32 */
  batchSize?: number;
  /** Micro-batches of a step. @default 1 */
  microBatches?: number;
  /** What is recomputed in the backward pass. @default 'none' */
  recompute?: Recompute;
}

/** One layer's share of the memory, in bytes. */
export interface MemoryEstimateRow {
  layer: string;
  /** Bytes of its weights. */
  parameters: number;
  /** Bytes of their gradients. */
  gradients: number;
  /** Bytes of the optimizer's state for them. */
  optimizer: number;
  /** Bytes that it made and that are still alive at the end of the forward pass. */
  activations: number;
}

/** The memory of a training step. */
export interface MemoryEstimate {
  rows: MemoryEstimateRow[];
  /** The most bytes alive at once. */
  peakBytes: number;
  /** The bytes of the peak by category. */
  byCategory: ByCategory;
  /** When the peak occurs: the phase, and the layer if it belongs to one. */
  at: {phase: 'forward' | 'loss' | 'backward' | 'update'; layer: string | null};
}

function elementsOf(tensors: Iterable<{size: number}>): number {
  let count = 0;
  for (const {size} of tensors) count += size;
  return count;
}

const OPTIONS: OptionTable<EstimateMemoryOptions> = {
  'batchSize?': wholeNumber(1),
  'microBatches?': wholeNumber(1),
  // `segmentsOf` checks names against the model.
  'recompute?': either(
    nameFrom(['none', 'block', 'stage']),
    listOf('the names of blocks and layers', aString),
  ),
};

function check(options: EstimateMemoryOptions): void {
  const {batchSize = 32, microBatches = 1} = readOptions('estimateMemory', options, OPTIONS);
  checkValue('estimateMemory', 'microBatches', microBatches, {
    expected: `at most batchSize, which is ${batchSize}`,
    accepts: () => microBatches <= batchSize,
  });
}

/** Estimates the memory of a compiled model, which is probed once, for any batch size. */
export class MemoryEstimator {
  private readonly probed: Probed;
  private readonly optimizer: OptimizerSizes;
  private readonly parameters: number;
  private readonly largest: number;

  /** Throws BAD_MODEL. */
  constructor(model: tf.LayersModel) {
    requireCompiled('estimateMemory', model);
    this.probed = probeModel(model);
    this.optimizer = optimizerSizes(model.optimizer);
    this.parameters = 4 * elementsOf(new Set(variablesOf(model)));
    this.largest = Math.max(...this.probed.sum.entries.map(({variable}) => variable.size));
  }

  /** The memory of a step. Throws BAD_OPTION. */
  at(options: EstimateMemoryOptions = {}): MemoryEstimate {
    check(options);
    const {batchSize = 32, microBatches = 1, recompute = 'none'} = options;
    const {graph, sum} = this.probed;
    const segments = segmentsOf(graph, recompute);
    const trained = elementsOf(sum.entries.map(({variable}) => variable));
    const state = this.optimizer.state * trained + this.optimizer.fixed;
    // The largest micro-batch decides. If there are several, gradients may already be alive in its
    // pass.
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
      at: updating ? {phase: 'update', layer: null} : pass.at,
    };
  }

  /** The largest batch whose step stays within `limitBytes`; 0 if even one sample does not. */
  largestBatch(limitBytes: number, options: Omit<EstimateMemoryOptions, 'batchSize'> = {}): number {
    checkValue('largestBatch', 'limitBytes', limitBytes, positiveNumber('bytes'));
    const {microBatches = 1} = readOptions('estimateMemory', options, OPTIONS);
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
 * Estimates the memory of one training step of a compiled `model` on one device. Takes no step: it
 * runs each layer once with two samples and once with three. Because sizes grow linearly with the
 * batch, these two measurements give the sizes for any batch. Returns the bytes of each layer and
 * of each category, and the peak. Throws BAD_OPTION, and BAD_MODEL for a model that is not compiled
 * or whose layers fail.
 */
export function estimateMemory(
  model: tf.LayersModel,
  options: EstimateMemoryOptions = {},
): MemoryEstimate {
  refuseData('estimateMemory', options, '{batchSize: 32}');
  check(options);
  return new MemoryEstimator(model).at(options);
}
