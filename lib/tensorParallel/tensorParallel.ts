/**
 * Worker side. Tensor parallelism: every rank has a part of each large weight and sees every sample; what the parts yield is completed between the layers
 * (Shoeybi et al. 2019, "Megatron-LM").
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {firstOf, sumGradient, sumOverRanks} from '../dataParallel/sumValues';
import type {ModelDescription, OptimizerState} from '../model/description';
import {park} from '../model/park';
import {variablesOf} from '../model/weights';
import {readGraph, type Slot} from '../step/graph';
import type {HalvesOf, StepHooks} from '../step/hooks';
import type {Values} from '../step/objective';
import {PartsExchange} from '../step/partsExchange';
import type {PenaltyCounts} from '../step/penalties';
import {predict} from '../step/predict';
import type {RankStrategy} from '../step/strategy';
import type {BatchPart, Stepper} from '../step/trainStep';
import {cutShape, type WeightCut} from '../step/weightCut';
import type {SpanRecorder} from '../trace/spans';
import {shardedOf, type Rules} from './layout';
import {PositionExchange} from './positions';
import {cutOf, partFor} from './rules';
import {partialLayers, planSequence} from './sequence';
import {SequenceCall} from './sequenceCall';
import {ShardedCall, type Around} from './shardedCall';

export interface TensorOptions {
  rules: Rules;
  /** Whether ranks hold their own positions between the divided layers. */
  sequence: boolean;
  model: tf.LayersModel;
  description: ModelDescription;
  /** Calls its argument with the caller's memory of the model on rank 0, with null on the others. */
  withSource(use: (source: ArrayBuffer | null) => Promise<void>): Promise<void>;
}

/** tfjs's weight of a layer: its variable can be another's. */
interface LayerWeight {
  val: tf.Variable;
  shape: number[];
  originalName: string;
  read(): tf.Variable;
}
const weightsOf = (layer: tf.layers.Layer) => (layer as unknown as {weights: LayerWeight[]}).weights;

export class TensorParallel implements RankStrategy {
  readonly divides = true;
  private stepper!: Stepper;
  private exchange!: PartsExchange;
  /** By variable, each rank's cut of it. */
  private readonly cuts = new Map<tf.Variable, WeightCut[]>();
  private readonly sharded = new Map<tf.layers.Layer, ShardedCall>();
  private readonly wanting = new Set<number>();
  private readonly alike: SequenceCall | null;
  /** The slots of which a rank holds its own positions. */
  private readonly slots: ReadonlySet<Slot>;
  /** Whole weights of whose gradients each rank has a summand. */
  private readonly partialWeights = new Set<tf.Variable>();

  /** The model's weights have no values yet; those that are divided get this rank's shape. */
  constructor(private readonly comm: Communicator, private readonly recorder: SpanRecorder | null, private readonly options: TensorOptions) {
    const {rank, size} = comm;
    const graph = readGraph(options.model);
    const sequence = options.sequence ? planSequence(graph, options.rules, rank, size) : null;
    this.slots = sequence?.slots ?? new Set();
    const around: Around = {
      comm, recorder, weightsOf: (layer) => this.stepper.gradients.weightsOf(layer), wantsInput: (call) => this.wanting.has(call.index),
      positions: sequence && new PositionExchange(comm, recorder, sequence.positions), byPositions: (slot) => this.slots.has(slot),
    };
    this.alike = sequence && new SequenceCall(around, sequence.positions);
    for (const {name, layer} of graph.calls) {
      const rule = options.rules[name];
      if (!rule || this.sharded.has(layer)) continue;
      const sharded = shardedOf(layer, rule);
      const parts = Array.from({length: size}, (_, r) => partFor(sharded, layer, r, size));
      for (const weight of weightsOf(layer)) this.divide(weight, parts.map((part) => cutOf(sharded, layer, weight.originalName, part)));
      sharded.localize?.(layer, parts[rank]);
      this.sharded.set(layer, new ShardedCall(around, sharded, parts[rank]));
    }
    if (!sequence) return;
    for (const layer of partialLayers(graph, options.rules, sequence)) for (const variable of variablesOf(layer)) if (!this.cuts.has(variable)) this.partialWeights.add(variable);
  }

  private divide(weight: LayerWeight, cuts: Array<WeightCut | null>): void {
    const own = cuts[this.comm.rank];
    if (!own) return;
    const whole = weight.read();
    const shape = cutShape(whole.shape, own);
    const values = tf.zeros(shape);
    const variable = tf.variable(values, whole.trainable, `${whole.name}/part`);
    values.dispose();
    park(variable);
    whole.dispose();
    weight.val = variable;
    weight.shape = shape;
    this.cuts.set(variable, cuts as WeightCut[]);
  }

  async open(stepper: Stepper): Promise<void> {
    const {comm: {size}, options: {model, description, withSource}} = this;
    this.stepper = stepper;
    const flows = new Set<number>();
    for (const {index, layer, inputs, outputs} of stepper.graph.calls) {
      if (inputs.some((slot) => flows.has(slot))) this.wanting.add(index);
      if (this.wanting.has(index) || stepper.gradients.weightsOf(layer).length > 0) for (const slot of outputs) flows.add(slot);
    }
    this.exchange = new PartsExchange(this.comm, model, description, (variable) => {
      const cuts = this.cuts.get(variable);
      return Array.from({length: size}, (_, rank) => ({rank, cut: cuts?.[rank] ?? null}));
    }, stepper.gradients.entries);
    await withSource((source) => this.exchange.load(source));
  }

  readonly halves: HalvesOf = ({layer, inputs, outputs}) => this.sharded.get(layer) ?? ([...inputs, ...outputs].some((slot) => this.slots.has(slot)) ? this.alike : null);

  readonly hooks: StepHooks = {
    afterGradients: async (gradients) => {
      for (const entry of gradients) if (this.partialWeights.has(entry.variable)) await sumGradient(this.comm, this.recorder, entry, 'gradients of whole weights');
    },
  };


  /** Whether this rank answers for something of which all may have the same. */
  private answers(divided: boolean): boolean {
    return divided || this.comm.rank === 0;
  }

  readonly countsPenalty: PenaltyCounts = (variable) => {
    const divided = variable !== null && this.cuts.has(variable);
    return {value: this.answers(divided), gradient: variable === null || !this.partialWeights.has(variable) || this.answers(divided)};
  };

  async squares(): Promise<number> {
    const {sums: [squares]} = await sumOverRanks(this.comm, [this.stepper.gradients.squares(({variable}) => this.answers(this.cuts.has(variable)))]);
    return squares;
  }

  /** Every rank has the same loss; penalties are each rank's own part. */
  async sumValues(values: Values, penalty?: number): Promise<Values> {
    const own = penalty === undefined || this.comm.rank === 0 ? [...values] : values.map(() => 0);
    own[0] += penalty ?? 0;
    return (await sumOverRanks(this.comm, own)).sums;
  }

  async broken(): Promise<{gradient: string | null; ranks: number[]}> {
    const {entries} = this.stepper.gradients;
    const own = this.stepper.gradients.firstBroken();
    const first = await firstOf(this.comm, own ? entries.indexOf(own) : null, 'broken gradient');
    return {gradient: first === null ? null : entries[first].name, ranks: []};
  }

  async evaluate(part: BatchPart): Promise<Values> {
    const {graph, seed, hooks, objective} = this.stepper;
    const batch = part.make();
    try {
      const {outputs, penalty} = await predict(graph, batch.xs, {seed, layer: '', step: 0, firstSample: 0}, hooks, {counts: (_, variable) => this.countsPenalty(variable).value, halvesOf: this.halves});
      try {
        const values = objective.evaluate(outputs, batch.ys).map((value) => (this.comm.rank === 0 ? value : 0));
        values[0] += penalty;
        return values;
      } finally {
        tf.dispose(outputs);
      }
    } finally {
      tf.dispose([...batch.xs, ...batch.ys]);
    }
  }

  save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    return this.exchange.save(make);
  }

  dispose(): void {}
}
