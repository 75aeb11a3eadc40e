/**
 * The cost of the data axis and of the optimizer: how gradients and weights travel between replicas,
 * and the update after it.
 */
import {compiledModel} from '../model/tfjsInternals';
import {sum} from '../base/statistics';
import type * as tf from '@tensorflow/tfjs';
import {plainSgd} from '../dataParallel/dividedUpdate';
import type {LayerCall} from '../model/graph';
import {placedOn, placedSize} from '../placement/placements';
import {BUCKET_BYTES} from '../config/checkOptions';
import type {LinkOperation} from './commBenchmark';
import type {LinkTimes} from './linkTimes';
import type {ModelChoice} from './modelChoice';

const FLOAT_BYTES = 4;

/** The cost of the data axis in a step. */
export interface DataAxisCost {
  /** Seconds of collectives and the copies around them. */
  seconds: number;
  /** Seconds of the optimizer's update. */
  update: number;
  /** Bytes that the device sends. */
  bytes: number;
}

/** What a rank trains: the elements of its weights, and how many weights and blocks they are. */
interface TrainedShard {
  elements: number;
  weights: number;
  units: number;
}

/** Computes the costs of the data axis for one model. */
export class DataAxisCosts {
  private readonly trained: Set<tf.Variable>;
  private readonly elements: number;
  private readonly isPlainSgd: boolean;

  /** `perWeight`: seconds of the optimizer's update of a tiny weight. */
  constructor(
    model: tf.LayersModel,
    private readonly links: LinkTimes,
    private readonly perWeight: number,
  ) {
    this.trained = new Set(
      (compiledModel(model).collectedTrainableWeights ?? []).map((weight) => weight.read()),
    );
    this.elements = sum([...this.trained].map(({size}) => size));
    this.isPlainSgd = plainSgd(model.optimizer) !== null;
  }

  /**
   * The cost for the weights of `calls` on a rank. `update`: seconds of the update of the whole
   * model.
   */
  at(calls: readonly LayerCall[], choice: ModelChoice, update: number): DataAxisCost {
    const shard = this.trainedShard(calls, choice);
    if (choice.mesh.data === 1 || shard.weights === 0)
      return {
        seconds: 0,
        update: this.updateSeconds(shard.elements, shard.weights, update),
        bytes: 0,
      };
    return choice.zero === 0
      ? this.replicated(shard, choice, update)
      : this.sharded(shard, choice, update);
  }

  /** The weights of `calls` that the fullest rank of the tensor axis trains. */
  private trainedShard(
    calls: readonly LayerCall[],
    {rules, mesh: {tensor}}: ModelChoice,
  ): TrainedShard {
    const placements = [...placedOn(calls, rules, tensor - 1, tensor)].flatMap(
      ([variable, placement]) => (this.trained.has(variable) ? [placement] : []),
    );
    return {
      elements: sum(placements.map(placedSize)),
      weights: placements.length,
      units: new Set(placements.map(({block}) => block)).size,
    };
  }

  /** Seconds of the update of `elements` in `weights`; `update`: of the whole model. */
  private updateSeconds(elements: number, weights: number, update: number): number {
    const fixed = Math.min(update, this.perWeight * this.trained.size);
    return (fixed * weights) / this.trained.size + ((update - fixed) * elements) / this.elements;
  }

  /** Seconds of reading all gradients of a rank out of the engine. */
  private readSeconds({elements, weights}: TrainedShard, data: number): number {
    const bytes = FLOAT_BYTES * elements;
    return weights * this.links.latency('read', data) + this.links.perByte('read', data) * bytes;
  }

  /** Without ZeRO: all-reduce in buckets. Plain SGD all-gathers updated weights instead. */
  private replicated(
    shard: TrainedShard,
    {mesh: {data}}: ModelChoice,
    update: number,
  ): DataAxisCost {
    const {links} = this;
    const bytes = FLOAT_BYTES * shard.elements;
    const transfer = (operation: LinkOperation) => links.perByte(operation, data) * bytes;
    const buckets = Math.max(1, Math.ceil(bytes / BUCKET_BYTES));
    const reduced = this.isPlainSgd
      ? transfer('reduceScatter') +
        transfer('allGather') +
        buckets * links.latency('allGather', data)
      : transfer('allReduce');
    return {
      seconds:
        this.readSeconds(shard, data) + (buckets - 1) * links.latency('dispatch', data) + reduced,
      update: this.isPlainSgd
        ? transfer('read') / data
        : this.updateSeconds(shard.elements, shard.weights, update),
      bytes: 2 * ((data - 1) / data) * bytes,
    };
  }

  /** With ZeRO: reduce-scatter of gradients, all-gather of weights, a unit at a time. */
  private sharded(
    shard: TrainedShard,
    {mesh: {data}, zero, microBatches}: ModelChoice,
    update: number,
  ): DataAxisCost {
    const {links} = this;
    const {elements, units} = shard;
    const bytes = FLOAT_BYTES * elements;
    const transfer = (operation: LinkOperation) => links.perByte(operation, data) * bytes;
    const dispatches = units * links.latency('dispatch', data);
    const scatters = zero === 1 ? 1 : microBatches;
    const gathers = zero === 3 ? 2 * microBatches : 0;
    // Stages 1 and 2 gather the updated weights once, without the communication thread.
    const finalGather =
      zero === 3 ? 0 : transfer('allGather') + units * links.latency('allGather', data);
    return {
      seconds:
        microBatches * this.readSeconds(shard, data) +
        scatters * (dispatches + transfer('reduceScatter')) +
        gathers * (dispatches + transfer('allGather')) +
        finalGather,
      // The update also copies the new weights to where the other ranks read them.
      update: this.updateSeconds(elements / data, units, update) + transfer('read') / data,
      bytes: (scatters + Math.max(1, gathers)) * ((data - 1) / data) * bytes,
    };
  }
}
