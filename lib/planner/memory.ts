/**
 * The memory of the fullest device of a choice for a model, by category: the estimate for one
 * device, divided as the strategies divide it.
 */
import {CACHE_LINE_BYTES} from '../base/cacheLine';
import {sum} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import {optimizerSizes, type OptimizerSizes} from '../memoryEstimate/optimizerSizes';
import {probeModel, type CallSizes, type Probed} from '../memoryEstimate/probe';
import {simulatePass, sizesAt} from '../memoryEstimate/simulateStep';
import {channelBytesFor} from '../collectives/sharedMemory/layout';
import {plainSgd} from '../dataParallel/dividedUpdate';
import {checkSchedule} from '../pipelineParallel/checkSchedule';
import {stageGraphs} from '../pipelineParallel/stages';
import {placedOn, placedSize} from '../placement/placements';
import type {LayerCall} from '../model/graph';
import {segmentsOf, type Segment} from '../model/segments';
import {shardedOf} from '../tensorParallel/layout';
import {acrossRanks, outputBytes} from './batchNormProbe';
import type {ModelChoice} from './modelChoice';

/** Bytes on the fullest device, by category. */
export interface DeviceMemory {
  /** Bytes of weights. */
  parameters: number;
  /** Bytes of their gradients. */
  gradients: number;
  /** Bytes of the optimizer's state. */
  optimizer: number;
  /** Bytes of activations and of the temporary tensors of the running layer. */
  activations: number;
  /** Bytes of gathered weights, of gradients in flight and of messages in flight. */
  buffers: number;
  /** Bytes in total. */
  total: number;
}

const FLOAT_BYTES = 4;

/** A rank at its peak. */
interface Peak {
  /** Bytes. */
  activations: number;
  /** The share of the gradients that exists, from 0 to 1. */
  gradients: number;
  /** Bytes of messages in flight. */
  channels?: number;
}

/** Computes the memory of any choice for one model, whose layers are probed once. */
export class ModelMemory {
  private readonly alone: ProbedMemory;
  private readonly replicated: ProbedMemory;

  constructor(model: tf.LayersModel) {
    const probed = probeModel(model);
    const sizes = optimizerSizes(model.optimizer);
    const sgd = plainSgd(model.optimizer) !== null;
    this.alone = new ProbedMemory(probed, sizes, sgd);
    this.replicated = new ProbedMemory(
      {...probed, two: acrossRanks(probed, 'two'), three: acrossRanks(probed, 'three')},
      sizes,
      sgd,
    );
  }

  /** The fullest device of a choice, over `batchSize` samples of all devices together. */
  at(choice: ModelChoice, batchSize: number): DeviceMemory {
    return (choice.mesh.data > 1 ? this.replicated : this.alone).at(choice, batchSize);
  }
}

class ProbedMemory {
  /** `sgd`: whether the optimizer is plain SGD. */
  constructor(
    private readonly probed: Probed,
    private readonly optimizer: OptimizerSizes,
    private readonly sgd: boolean,
  ) {}

  /**
   * Elements of the weights of `calls` on the fullest rank of the tensor axis: of trained ones, in
   * all, in the largest and in each block, and of the others.
   */
  private weights(
    calls: readonly LayerCall[],
    {rules, mesh: {tensor}}: ModelChoice,
  ): {trained: number; nonTrainable: number; units: number[]; largest: number} {
    const trainable = new Set(this.probed.sum.entries.map(({variable}) => variable));
    const units = new Map<string, number>();
    const counts = {trained: 0, nonTrainable: 0, largest: 0};
    for (const [variable, placement] of placedOn(calls, rules, tensor - 1, tensor)) {
      const size = placedSize(placement);
      if (!trainable.has(variable)) {
        counts.nonTrainable += size;
        continue;
      }
      counts.trained += size;
      counts.largest = Math.max(counts.largest, size);
      units.set(placement.block, (units.get(placement.block) ?? 0) + size);
    }
    return {...counts, units: [...units.values()]};
  }

  /** Bytes of a sharded layer's tape that other ranks hold. */
  private otherShardsOf(
    call: LayerCall,
    {rules, mesh: {tensor}}: ModelChoice,
    sizes: readonly CallSizes[],
  ): number {
    if (tensor === 1 || !rules[call.name]) return 0;
    const callSizes = sizes[call.index];
    const outputIsSharded = shardedOf(call.layer, rules[call.name]).outputPlacement(3) === 'shard';
    const bytes = callSizes.inside + (outputIsSharded ? outputBytes(callSizes) : 0);
    return (1 - 1 / tensor) * bytes;
  }

  /**
   * The same for `calls` at the peak. Only one of the recomputed segments is alive at a time.
   */
  private otherShards(calls: readonly LayerCall[], choice: ModelChoice, samples: number): number {
    const {calls: sizes} = sizesAt(this.probed, samples);
    const inside = new Set(calls);
    const bytesOf = (segment: Segment) =>
      sum(
        segment.calls
          .filter((call) => inside.has(call))
          .map((call) => this.otherShardsOf(call, choice, sizes)),
      );
    const segments = segmentsOf(this.probed.graph, choice.recompute);
    return (
      sum(segments.filter(({recompute}) => !recompute).map(bytesOf)) +
      Math.max(0, ...segments.filter(({recompute}) => recompute).map(bytesOf))
    );
  }

  /**
   * A rank without a pipeline at its peak. With several replicas or micro-batches, all gradients
   * exist from the start; otherwise the backward pass creates them one by one.
   */
  private peakWithoutPipeline(choice: ModelChoice, samples: number): Peak {
    const {graph, sum: gradientSum} = this.probed;
    const allGradients = choice.mesh.data > 1 || choice.microBatches > 1;
    const {gradients, activations} = simulatePass(
      this.probed,
      segmentsOf(graph, choice.recompute),
      samples,
      allGradients,
    );
    const trained = FLOAT_BYTES * sum(gradientSum.entries.map(({variable}) => variable.size));
    return {
      activations: Math.max(0, activations - this.otherShards(graph.calls, choice, samples)),
      gradients: gradients / trained,
    };
  }

  /**
   * Bytes of a stage: `held` by its layers for one micro-batch, and `working` in addition for the
   * layer that runs. `hasLoss`: whether the model ends with this stage.
   */
  private stageBytes(
    calls: readonly LayerCall[],
    choice: ModelChoice,
    samples: number,
    hasLoss: boolean,
  ): {held: number; working: number} {
    const {graph} = this.probed;
    const {held, activations, batch} = simulatePass(
      this.probed,
      segmentsOf(graph, choice.recompute),
      samples,
      true,
    );
    const stageHeld = sum(calls.map(({index}) => held[index]));
    const otherShards = this.otherShards(calls, choice, samples);
    const {calls: sizes, loss} = sizesAt(this.probed, samples);
    if (choice.recompute === 'none')
      return {
        held: stageHeld - otherShards,
        working: Math.max(
          0,
          ...calls.map(({index}) => Math.max(sizes[index].forward, sizes[index].backward)),
          hasLoss ? loss.extra : 0,
        ),
      };
    // A recomputed segment has all of its tapes during its backward: the peak of the whole model less
    // what the model holds.
    return {
      held: stageHeld,
      working: Math.max(0, activations - sum(held) - batch - otherShards),
    };
  }

  /** The fullest device of a choice, over `batchSize` samples of all devices together. */
  at(choice: ModelChoice, batchSize: number): DeviceMemory {
    const {mesh, microBatches, pipeline} = choice;
    const samples = Math.ceil(batchSize / mesh.data / microBatches);
    const {graph} = this.probed;
    if (!pipeline)
      return this.device(graph.calls, choice, this.peakWithoutPipeline(choice, samples));
    const stages = stageGraphs(graph, pipeline.splitPoints).map((stage) => stage.graph.calls);
    const {live, room} = checkSchedule(pipeline.schedule);
    const message =
      FLOAT_BYTES *
      samples *
      Math.max(...pipeline.splitPoints.map(({shape}) => tf.util.sizeFromShape(shape)));
    const stagesPerRank = stages.length / mesh.pipeline;
    const channel = channelBytesFor(room * (message + CACHE_LINE_BYTES));
    const peers = (rank: number) =>
      new Set(
        pipeline.schedule.actions[rank].flatMap((action) =>
          action.do === 'send' ? [action.peer] : [],
        ),
      ).size;
    const ranks = Array.from({length: mesh.pipeline}, (_, rank) => {
      const rankStages = stages.filter((_, stage) => stage % mesh.pipeline === rank);
      const stageSizes = rankStages.map((calls, localStage) =>
        this.stageBytes(
          calls,
          choice,
          samples,
          rank === mesh.pipeline - 1 && localStage === rankStages.length - 1,
        ),
      );
      const held = sum(stageSizes.map((stage) => stage.held)) / stagesPerRank;
      const working = Math.max(...stageSizes.map((stage) => stage.working));
      const channels = channel * peers(rank);
      const allAlive = {
        activations: live[rank] * held + working,
        gradients: microBatches > live[rank] ? 1 : 0,
        channels,
      };
      // If all micro-batches are alive before the first backward, gradients appear when the first
      // micro-batch's activations are gone.
      const afterFirst = {activations: (live[rank] - 1) * held + working, gradients: 1, channels};
      return fullest(
        [allAlive, afterFirst].map((peak) => this.device(rankStages.flat(), choice, peak)),
      );
    });
    return fullest(ranks);
  }

  private device(
    calls: readonly LayerCall[],
    choice: ModelChoice,
    {activations, gradients, channels = 0}: Peak,
  ): DeviceMemory {
    const {
      mesh: {data},
      zero,
      microBatches,
    } = choice;
    const {trained, nonTrainable, units, largest} = this.weights(calls, choice);
    const largestUnit = Math.max(0, ...units);
    const share = (from: number) => (zero >= from ? 1 / data : 1);
    // A replica sums its gradients over the micro-batches before it sends them.
    const accumulated =
      data > 1 && zero === 0 && microBatches > 1 ? FLOAT_BYTES * (trained + largest) : 0;
    const unitBuffers = (zero >= 2 ? 2 : 0) + (zero === 3 ? 2 : 0);
    const state = {
      parameters: FLOAT_BYTES * (trained * share(3) + nonTrainable),
      optimizer: this.optimizer.state * trained * share(1) + this.optimizer.fixed,
      buffers: FLOAT_BYTES * largestUnit * unitBuffers + channels,
    };
    const allGradients = FLOAT_BYTES * trained * share(2);
    // The update runs when the activations are gone. It has all gradients and its own temporary
    // tensors, except plain SGD, whose ranks update their shards of the weights in place.
    const inPlace = zero === 0 && data > 1 && this.sgd;
    const updating = inPlace
      ? 0
      : this.optimizer.update * (zero > 0 && data > 1 ? largestUnit / data : largest);
    const duringBackward = {
      gradients: allGradients * gradients,
      activations,
      buffers: state.buffers + accumulated,
    };
    const updateIsPeak =
      allGradients + updating > duringBackward.gradients + activations + accumulated;
    const bytes = {
      ...state,
      ...(updateIsPeak ? {gradients: allGradients, activations: updating} : duringBackward),
    };
    return {...bytes, total: sum(Object.values(bytes))};
  }
}

function fullest(devices: readonly DeviceMemory[]): DeviceMemory {
  return devices.reduce((most, device) => (device.total > most.total ? device : most));
}
