/**
 * The memory of the fullest device of a choice for a model, by what it is for: the
 * account of one device, divided as the strategies divide it.
 */
import {sum} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import {optimizerSizes, type OptimizerSizes} from '../memoryEstimate/optimizerSizes';
import {probeModel, type CallSizes, type Probed} from '../memoryEstimate/probe';
import {simulatePass, sizesAt} from '../memoryEstimate/simulateStep';
import {channelBytesFor} from '../collectives/sharedMemory/layout';
import {GlobalBatchNorm} from '../dataParallel/batchNorm';
import {plainSgd} from '../dataParallel/dividedUpdate';
import {checkSchedule} from '../pipelineParallel/checkSchedule';
import {stageGraphs} from '../pipelineParallel/stages';
import {placedOn, placedSize} from '../placement/placements';
import type {LayerCall} from '../model/graph';
import {segmentsOf, type Segment} from '../model/segments';
import {shardedOf} from '../tensorParallel/layout';
import type {ModelChoice} from './cost';

/** Bytes of the fullest device, by what they are for. */
export interface DeviceMemory {
  /** Bytes of weights. */
  parameters: number;
  /** Bytes of their gradients. */
  gradients: number;
  /** Bytes of the optimizer's state. */
  optimizer: number;
  /** Bytes of activations, with what a layer needs while it runs. */
  activations: number;
  /** Bytes of weights that are gathered, gradients that leave and messages under way. */
  buffers: number;
  /** Bytes of all that. */
  total: number;
}

const FLOAT = 4;
const CACHE_LINE = 64;

/**
 * A probe with batch norm as it is over several ranks: it keeps one tensor of its output's size,
 * and makes four on the way there, five on the way back.
 */
function acrossRanks({graph, ...probes}: Probed, at: 'two' | 'three'): Probed['two'] {
  const calls = probes[at].calls.map((own, i): CallSizes => {
    if (!GlobalBatchNorm.is(graph.calls[i])) return own;
    const output = sum(own.outputs.map((buffer) => ('bytes' in buffer ? buffer.bytes : 0)));
    return {
      ...own,
      inside: output,
      keepsInputs: own.keepsInputs.map(() => false),
      keepsOutputs: own.keepsOutputs.map(() => false),
      forward: 4 * output,
      backward: 5 * output,
    };
  });
  return {...probes[at], calls};
}

/** At the peak: bytes of activations, and the share of the gradients that is there. */
interface Walked {
  activations: number;
  gradients: number;
  /** Bytes for messages that are under way. */
  channels?: number;
}

/** The memory of a model's choices, its layers probed once. */
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
   * Elements of the weights of `calls` on the fullest rank of the tensor axis, block by block;
   * trained ones, and the others.
   */
  private weights(
    calls: readonly LayerCall[],
    {rules, mesh: {tensor}}: ModelChoice,
  ): {trained: number; fixed: number; units: number[]; largest: number} {
    const trainable = new Set(this.probed.sum.entries.map(({variable}) => variable));
    const units = new Map<string, number>();
    const found = {trained: 0, fixed: 0, largest: 0};
    for (const [variable, held] of placedOn(calls, rules, tensor - 1, tensor)) {
      const size = placedSize(held);
      if (!trainable.has(variable)) {
        found.fixed += size;
        continue;
      }
      found.trained += size;
      found.largest = Math.max(found.largest, size);
      units.set(held.block, (units.get(held.block) ?? 0) + size);
    }
    return {...found, units: [...units.values()]};
  }

  /**
   * Of what a layer's tape holds, what a rank is spared: the other ranks' parts of a divided layer.
   */
  private sparedOf(
    call: LayerCall,
    {rules, mesh: {tensor}}: ModelChoice,
    sizes: readonly CallSizes[],
  ): number {
    const own = sizes[call.index];
    const output = sum(own.outputs.map((buffer) => ('bytes' in buffer ? buffer.bytes : 0)));
    if (tensor === 1 || !rules[call.name]) return 0;
    return (
      (1 - 1 / tensor) *
      (own.inside +
        (shardedOf(call.layer, rules[call.name]).outputPlacement(3) === 'shard' ? output : 0))
    );
  }

  /**
   * The same of `calls` when most is held: of segments that are computed again, one is there at a
   * time.
   */
  private spared(calls: readonly LayerCall[], choice: ModelChoice, samples: number): number {
    const {calls: sizes} = sizesAt(this.probed, samples);
    const inside = new Set(calls);
    const of = (segment: Segment) =>
      sum(
        segment.calls
          .filter((call) => inside.has(call))
          .map((call) => this.sparedOf(call, choice, sizes)),
      );
    const segments = segmentsOf(this.probed.graph, choice.recompute);
    return (
      sum(segments.filter(({recompute}) => !recompute).map(of)) +
      Math.max(0, ...segments.filter(({recompute}) => recompute).map(of))
    );
  }

  /**
   * A rank without a pipeline at its peak. Gradients are there from the start where there are
   * several replicas or micro-batches, else they come as the walk goes back.
   */
  private walked(choice: ModelChoice, samples: number): Walked {
    const {graph, sum: own} = this.probed;
    const there = choice.mesh.data > 1 || choice.microBatches > 1;
    const {gradients, activations} = simulatePass(
      this.probed,
      segmentsOf(graph, choice.recompute),
      samples,
      there,
    );
    const trained = FLOAT * sum(own.entries.map(({variable}) => variable.size));
    return {
      activations: Math.max(0, activations - this.spared(graph.calls, choice, samples)),
      gradients: gradients / trained,
    };
  }

  /**
   * A stage: what its layers hold of one micro-batch, and what the layers at work need beside that.
   */
  private staged(
    calls: readonly LayerCall[],
    choice: ModelChoice,
    samples: number,
    ends: boolean,
  ): {held: number; working: number} {
    const {graph} = this.probed;
    const {held, activations, batch} = simulatePass(
      this.probed,
      segmentsOf(graph, choice.recompute),
      samples,
      true,
    );
    const own = sum(calls.map(({index}) => held[index]));
    const spared = this.spared(calls, choice, samples);
    const {calls: sizes, loss} = sizesAt(this.probed, samples);
    if (choice.recompute === 'none')
      return {
        held: own - spared,
        working: Math.max(
          0,
          ...calls.map(({index}) => Math.max(sizes[index].forward, sizes[index].backward)),
          ends ? loss.extra : 0,
        ),
      };
    // A segment that is computed again has all of its tapes while it goes back: what the whole
    // model's walk needs beyond what it holds.
    return {held: own, working: Math.max(0, activations - sum(held) - batch - spared)};
  }

  /** The fullest device of a choice, over `batchSize` samples of all devices together. */
  at(choice: ModelChoice, batchSize: number): DeviceMemory {
    const {mesh, microBatches, pipeline} = choice;
    const samples = Math.ceil(batchSize / mesh.data / microBatches);
    const {graph} = this.probed;
    if (!pipeline) return this.device(graph.calls, choice, this.walked(choice, samples));
    const stages = stageGraphs(graph, pipeline.cuts).map((stage) => stage.graph.calls);
    const {live, room} = checkSchedule(pipeline.schedule);
    const message =
      FLOAT * samples * Math.max(...pipeline.cuts.map(({shape}) => tf.util.sizeFromShape(shape)));
    const stagesPerRank = stages.length / mesh.pipeline;
    const channel = channelBytesFor(room * (message + CACHE_LINE));
    const peers = (rank: number) =>
      new Set(
        pipeline.schedule.actions[rank].flatMap((action) =>
          action.do === 'send' ? [action.peer] : [],
        ),
      ).size;
    const all = Array.from({length: mesh.pipeline}, (_, rank) => {
      const own = stages.filter((_, stage) => stage % mesh.pipeline === rank);
      const walked = own.map((calls, localStage) =>
        this.staged(
          calls,
          choice,
          samples,
          rank === mesh.pipeline - 1 && localStage === own.length - 1,
        ),
      );
      const held = sum(walked.map((one) => one.held)) / stagesPerRank;
      const working = Math.max(...walked.map((one) => one.working));
      const channels = channel * peers(rank);
      const full = {
        activations: live[rank] * held + working,
        gradients: microBatches > live[rank] ? 1 : 0,
        channels,
      };
      // Where all micro-batches are alive before the first goes back, gradients come when the
      // first's activations are gone.
      const later = {activations: (live[rank] - 1) * held + working, gradients: 1, channels};
      return [full, later]
        .map((peak) => this.device(own.flat(), choice, peak))
        .reduce((most, one) => (one.total > most.total ? one : most));
    });
    return all.reduce((most, one) => (one.total > most.total ? one : most));
  }

  private device(
    calls: readonly LayerCall[],
    choice: ModelChoice,
    {activations, gradients, channels = 0}: Walked,
  ): DeviceMemory {
    const {
      mesh: {data},
      zero,
      microBatches,
    } = choice;
    const {trained, fixed, units, largest} = this.weights(calls, choice);
    const largestUnit = Math.max(0, ...units);
    const share = (from: number) => (zero >= from ? 1 / data : 1);
    // A replica's gradients are summed over micro-batches before they leave.
    const summed = data > 1 && zero === 0 && microBatches > 1 ? FLOAT * (trained + largest) : 0;
    const state = {
      parameters: FLOAT * (trained * share(3) + fixed),
      optimizer: this.optimizer.state * trained * share(1) + this.optimizer.fixed,
      buffers: FLOAT * (largestUnit * ((zero >= 2 ? 2 : 0) + (zero === 3 ? 2 : 0))) + channels,
    };
    const whole = FLOAT * trained * share(2);
    // The update has all gradients, and room of its own, when activations are gone.
    // Plain sgd's ranks update their parts of the weights in place.
    const inPlace = zero === 0 && data > 1 && this.sgd;
    const updating = inPlace
      ? 0
      : this.optimizer.update * (zero > 0 && data > 1 ? largestUnit / data : largest);
    const walk = {gradients: whole * gradients, activations, buffers: state.buffers + summed};
    const found = {
      ...state,
      ...(whole + updating > walk.gradients + activations + summed
        ? {gradients: whole, activations: updating}
        : walk),
    };
    return {...found, total: sum(Object.values(found))};
  }
}
