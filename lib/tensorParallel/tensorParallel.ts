/**
 * The tensor axis: every rank holds a shard of each large weight and sees every sample of
 * its replica. Collectives inside the sharded layers complete their outputs (Shoeybi et al. 2019,
 * "Megatron-LM").
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {sumGradient} from '../dataParallel/sumValues';
import {freeStorage} from '../model/freeStorage';
import {weightsOf, type LayerWeight} from '../model/tfjsInternals';
import {variablesOf} from '../model/weights';
import {GradientSum} from '../step/gradientSum';
import {readGraph, type Graph, type Slot} from '../model/graph';
import type {CommunicatingLayerOf, StepHooks, WeightGradient} from '../step/hooks';
import type {PenaltyCounts} from '../step/penalties';
import type {AxisStrategy} from '../step/strategy';
import type {StepHost} from '../step/strategy';
import {shardShape, type WeightShard} from '../model/weightShard';
import type {SpanRecorder} from '../trace/spans';
import {shardedSlots, shardedOf, type Rules} from './layout';
import {PositionExchange} from './positions';
import {shardOf, rangeFor, type LayoutPart} from './rules';
import {partialLayers, planSequence, type SequencePlan} from './sequence';
import {SequenceCall} from './sequenceCall';
import {ShardedCall, type TensorContext} from './shardedCall';

/** How the weights are sharded; plain data, the same on every rank. */
export interface TensorPlan {
  rules: Rules;
  /** Whether ranks hold only their own positions between the sharded layers. */
  sequence: boolean;
}

export class TensorParallel implements AxisStrategy {
  private stepper!: StepHost;
  /** For each sharded variable the shards of all ranks. */
  private readonly shards = new Map<tf.Variable, WeightShard[]>();
  private readonly sharded = new Map<tf.layers.Layer, ShardedCall>();
  private readonly wantsInputGradient = new Set<number>();
  /** This rank's range of each slot between a column layer and its row layer. */
  private readonly slotRanges = new Map<Slot, LayoutPart>();
  private readonly sequence: SequencePlan | null;
  private readonly replicatedCall: SequenceCall | null;
  /** Replicated weights for whose gradients each rank has only a summand. */
  private readonly partialWeights = new Set<tf.Variable>();
  /** Those whose gradients have been summed in this micro-batch, or in this step. */
  private readonly summed = new Set<WeightGradient>();
  private last = true;

  /**
   * Gives sharded weights, which have no values yet, this rank's shape. `perMicroBatch`: whether
   * gradients are complete after each micro-batch, and not once a step.
   */
  constructor(
    private readonly comm: Communicator,
    private readonly recorder: SpanRecorder | null,
    model: tf.LayersModel,
    {rules, sequence}: TensorPlan,
    private readonly perMicroBatch: boolean,
  ) {
    const {rank, size} = comm;
    const graph = readGraph(model);
    this.sequence = sequence ? planSequence(graph, rules, rank, size) : null;
    const tensorContext: TensorContext = {
      comm,
      recorder,
      weightsOf: (layer) => this.stepper.gradients.weightsOf(layer),
      wantsInput: (call) => this.wantsInputGradient.has(call.index),
      positions: this.sequence && new PositionExchange(comm, recorder, this.sequence.positions),
      byPositions: (slot) => this.byPositions(slot),
    };
    this.replicatedCall = this.sequence && new SequenceCall(tensorContext, this.sequence.positions);
    this.findInputGradients(graph, model);
    // Must come before `localize`, which changes what layers count.
    for (const [slot, {name, layer}] of shardedSlots(graph, rules))
      this.slotRanges.set(slot, rangeFor(shardedOf(layer, rules[name]), layer, rank, size));
    for (const {name, layer} of graph.calls) {
      const rule = rules[name];
      if (!rule || this.sharded.has(layer)) continue;
      const sharded = shardedOf(layer, rule);
      const ranges = Array.from({length: size}, (_, r) => rangeFor(sharded, layer, r, size));
      for (const weight of weightsOf(layer))
        this.divide(
          weight,
          ranges.map((range) => shardOf(sharded, layer, weight.originalName, range)),
        );
      sharded.localize?.(layer, ranges[rank]);
      this.sharded.set(layer, new ShardedCall(tensorContext, sharded, ranges[rank]));
    }
    if (!this.sequence) return;
    for (const layer of partialLayers(graph, rules, this.sequence))
      for (const variable of variablesOf(layer))
        if (!this.shards.has(variable)) this.partialWeights.add(variable);
  }

  /** Finds the calls whose input gradient is needed, because a trained layer comes before them. */
  private findInputGradients(graph: Graph, model: tf.LayersModel): void {
    const trained = GradientSum.of(model);
    const flows = new Set<Slot>();
    for (const {index, layer, inputs, outputs} of graph.calls) {
      if (inputs.some((slot) => flows.has(slot))) this.wantsInputGradient.add(index);
      if (this.wantsInputGradient.has(index) || trained.of(layer).length > 0)
        for (const slot of outputs) flows.add(slot);
    }
  }

  private divide(weight: LayerWeight, shards: Array<WeightShard | null>): void {
    const localShard = shards[this.comm.rank];
    if (!localShard) return;
    const full = weight.read();
    const shape = shardShape(full.shape, localShard);
    const values = tf.zeros(shape);
    const variable = tf.variable(values, full.trainable, `${full.name}/part`);
    values.dispose();
    freeStorage(variable);
    full.dispose();
    weight.val = variable;
    weight.shape = shape;
    this.shards.set(variable, shards as WeightShard[]);
  }

  open(stepper: StepHost): void {
    this.stepper = stepper;
  }

  /** A weight's shards by rank of the axis; null if it is replicated. */
  shardsOf(variable: tf.Variable): WeightShard[] | null {
    return this.shards.get(variable) ?? null;
  }

  private byPositions(slot: Slot): boolean {
    return this.sequence?.slots.has(slot) ?? false;
  }

  /** This rank's shape of a slot, without the samples' dim; `shape` is that of the whole. */
  shapeOf(slot: Slot, shape: number[]): number[] {
    if (this.byPositions(slot)) return [shape[0] / this.comm.size, ...shape.slice(1)];
    const range = this.slotRanges.get(slot);
    return range
      ? [...shape.slice(0, -1), (shape[shape.length - 1] * (range.end - range.start)) / range.of]
      : shape;
  }

  readonly communicatingLayer: CommunicatingLayerOf = ({layer, inputs, outputs}) =>
    this.sharded.get(layer) ??
    ([...inputs, ...outputs].some((slot) => this.byPositions(slot)) ? this.replicatedCall : null);

  readonly hooks: StepHooks = {
    beforeStep: () => this.summed.clear(),
    beforePart: ({last}) => {
      this.last = last;
      if (this.perMicroBatch) this.summed.clear();
    },
    afterBackward: (_, gradients) =>
      this.perMicroBatch || this.last ? this.complete(gradients) : undefined,
    // Needed if this rank's last micro-batch was empty.
    afterGradients: (gradients) => this.complete(this.perMicroBatch ? [] : gradients),
  };

  private async complete(gradients: readonly WeightGradient[]): Promise<void> {
    for (const entry of gradients) {
      if (!this.partialWeights.has(entry.variable) || this.summed.has(entry)) continue;
      // Frozen in a callback: no rank has a gradient.
      if (!entry.variable.trainable) continue;
      await sumGradient(this.comm, this.recorder, entry, 'gradients of whole weights');
      this.summed.add(entry);
    }
  }

  /** Whether this rank owns a weight: its shard, or, on rank 0, a replicated weight. */
  owns(variable: tf.Variable | null): boolean {
    return this.comm.rank === 0 || (variable !== null && this.shards.has(variable));
  }

  readonly countsPenalty: PenaltyCounts = (variable) => {
    const value = this.owns(variable);
    return {value, gradient: value || variable === null || !this.partialWeights.has(variable)};
  };

  dispose(): void {}
}
