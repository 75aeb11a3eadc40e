/**
 * The tensor axis: every rank has a part of each large weight and sees every sample of
 * its replica; what the parts yield is completed between the layers (Shoeybi et al. 2019,
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
import type {Stepper} from '../step/trainStep';
import {shardShape, type WeightShard} from '../model/weightShard';
import type {SpanRecorder} from '../trace/spans';
import {partSlots, shardedOf, type Rules} from './layout';
import {PositionExchange} from './positions';
import {shardOf, partFor, type LayoutPart} from './rules';
import {partialLayers, planSequence, type SequencePlan} from './sequence';
import {SequenceCall} from './sequenceCall';
import {ShardedCall, type TensorContext} from './shardedCall';

/** How the weights are divided; plain data, the same on every rank. */
export interface TensorPlan {
  rules: Rules;
  /** Whether ranks hold their own positions between the divided layers. */
  sequence: boolean;
}

export class TensorParallel implements AxisStrategy {
  private stepper!: Stepper;
  /** By variable, each rank's cut of it. */
  private readonly cuts = new Map<tf.Variable, WeightShard[]>();
  private readonly sharded = new Map<tf.layers.Layer, ShardedCall>();
  private readonly wanting = new Set<number>();
  /** What this rank has of each slot between a column layer and its row. */
  private readonly parts = new Map<Slot, LayoutPart>();
  private readonly sequence: SequencePlan | null;
  private readonly alike: SequenceCall | null;
  /**
   * Whole weights of whose gradients each rank has a summand, and those whose sums of this walk, or
   * step, are there.
   */
  private readonly partial = new Set<tf.Variable>();
  private readonly summed = new Set<WeightGradient>();
  private last = true;

  /**
   * The model's weights have no values yet; those that are divided get this rank's shape.
   * `eachPart`: whether gradients leave after each micro-batch, and not once a step.
   */
  constructor(
    private readonly comm: Communicator,
    private readonly recorder: SpanRecorder | null,
    model: tf.LayersModel,
    {rules, sequence}: TensorPlan,
    private readonly eachPart: boolean,
  ) {
    const {rank, size} = comm;
    const graph = readGraph(model);
    this.sequence = sequence ? planSequence(graph, rules, rank, size) : null;
    const around: TensorContext = {
      comm,
      recorder,
      weightsOf: (layer) => this.stepper.gradients.weightsOf(layer),
      wantsInput: (call) => this.wanting.has(call.index),
      positions: this.sequence && new PositionExchange(comm, recorder, this.sequence.positions),
      byPositions: (slot) => this.byPositions(slot),
    };
    this.alike = this.sequence && new SequenceCall(around, this.sequence.positions);
    this.follow(graph, model);
    // Before layers are told that they have a part.
    for (const [slot, {name, layer}] of partSlots(graph, rules))
      this.parts.set(slot, partFor(shardedOf(layer, rules[name]), layer, rank, size));
    for (const {name, layer} of graph.calls) {
      const rule = rules[name];
      if (!rule || this.sharded.has(layer)) continue;
      const sharded = shardedOf(layer, rule);
      const parts = Array.from({length: size}, (_, r) => partFor(sharded, layer, r, size));
      for (const weight of weightsOf(layer))
        this.divide(
          weight,
          parts.map((part) => shardOf(sharded, layer, weight.originalName, part)),
        );
      sharded.localize?.(layer, parts[rank]);
      this.sharded.set(layer, new ShardedCall(around, sharded, parts[rank]));
    }
    if (!this.sequence) return;
    for (const layer of partialLayers(graph, rules, this.sequence))
      for (const variable of variablesOf(layer))
        if (!this.cuts.has(variable)) this.partial.add(variable);
  }

  /** The calls from whose inputs a gradient flows on, to any layer of the model that is trained. */
  private follow(graph: Graph, model: tf.LayersModel): void {
    const all = GradientSum.of(model);
    const flows = new Set<Slot>();
    for (const {index, layer, inputs, outputs} of graph.calls) {
      if (inputs.some((slot) => flows.has(slot))) this.wanting.add(index);
      if (this.wanting.has(index) || all.of(layer).length > 0)
        for (const slot of outputs) flows.add(slot);
    }
  }

  private divide(weight: LayerWeight, cuts: Array<WeightShard | null>): void {
    const own = cuts[this.comm.rank];
    if (!own) return;
    const whole = weight.read();
    const shape = shardShape(whole.shape, own);
    const values = tf.zeros(shape);
    const variable = tf.variable(values, whole.trainable, `${whole.name}/part`);
    values.dispose();
    freeStorage(variable);
    whole.dispose();
    weight.val = variable;
    weight.shape = shape;
    this.cuts.set(variable, cuts as WeightShard[]);
  }

  open(stepper: Stepper): void {
    this.stepper = stepper;
  }

  /** By rank of the axis, what each has of a weight; null where it is whole on all. */
  cutsOf(variable: tf.Variable): WeightShard[] | null {
    return this.cuts.get(variable) ?? null;
  }

  private byPositions(slot: Slot): boolean {
    return this.sequence?.slots.has(slot) ?? false;
  }

  /**
   * A slot's shape without the samples' dim, as this rank has it: its own positions, or its part of
   * the last dim.
   */
  shapeOf(slot: Slot, shape: number[]): number[] {
    if (this.byPositions(slot)) return [shape[0] / this.comm.size, ...shape.slice(1)];
    const part = this.parts.get(slot);
    return part
      ? [...shape.slice(0, -1), (shape[shape.length - 1] * (part.end - part.start)) / part.of]
      : shape;
  }

  readonly halves: CommunicatingLayerOf = ({layer, inputs, outputs}) =>
    this.sharded.get(layer) ??
    ([...inputs, ...outputs].some((slot) => this.byPositions(slot)) ? this.alike : null);

  readonly hooks: StepHooks = {
    beforeStep: () => this.summed.clear(),
    beforePart: ({last}) => {
      this.last = last;
      if (this.eachPart) this.summed.clear();
    },
    afterBackward: (_, gradients) =>
      this.eachPart || this.last ? this.complete(gradients) : undefined,
    // What this rank's last micro-batch, being empty, did not pass.
    afterGradients: (gradients) => this.complete(this.eachPart ? [] : gradients),
  };

  private async complete(gradients: readonly WeightGradient[]): Promise<void> {
    for (const entry of gradients) {
      if (!this.partial.has(entry.variable) || this.summed.has(entry)) continue;
      await sumGradient(this.comm, this.recorder, entry, 'gradients of whole weights');
      this.summed.add(entry);
    }
  }

  /** Whether this rank answers for a weight: for its part, or, the first, for what all have. */
  answers(variable: tf.Variable | null): boolean {
    return this.comm.rank === 0 || (variable !== null && this.cuts.has(variable));
  }

  readonly countsPenalty: PenaltyCounts = (variable) => {
    const value = this.answers(variable);
    return {value, gradient: value || variable === null || !this.partial.has(variable)};
  };

  dispose(): void {}
}
