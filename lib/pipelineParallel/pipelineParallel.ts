/**
 * Worker side. Pipeline parallelism: each rank holds a run of the model's layers, and micro-batches flow through all of them (Huang et al. 2019, "GPipe"). A
 * step's gradients are those of the whole batch, so that it equals one device's with the same micro-batches.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {firstOf, sumGradient, sumOverRanks} from '../dataParallel/sumValues';
import {holdArray} from '../memory';
import type {ModelDescription, OptimizerState} from '../model/description';
import {variablesOf} from '../model/weights';
import {GradientSum} from '../step/gradientSum';
import type {Graph, LayerCall} from '../step/graph';
import type {HalvesOf, StepHooks, WeightGradient} from '../step/hooks';
import type {Values} from '../step/objective';
import {PartsExchange} from '../step/partsExchange';
import {predict} from '../step/predict';
import type {RankStrategy} from '../step/strategy';
import type {BatchPart, Stepper} from '../step/trainStep';
import type {SpanRecorder} from '../trace/spans';
import type {Cut} from './cuts';
import {receive} from './mail';
import type {Schedule} from './schedule';
import {StageRun, type LocalStage} from './stageRun';
import {stageGraphs, stageSegments, type StageGraph} from './stages';

/** How a pipeline runs; plain data, the same on every rank. */
export interface PipelinePlan {
  schedule: Schedule;
  cuts: Cut[];
}

export interface PipelineOptions {
  plan: PipelinePlan;
  model: tf.LayersModel;
  description: ModelDescription;
  /** Calls its argument with the caller's memory of the model on rank 0, with null on the others. */
  withSource(use: (source: ArrayBuffer | null) => Promise<void>): Promise<void>;
  /** The memory through which this rank sends to another, where it has such. */
  channelTo(peer: number): Uint8Array | null;
}

const TIED = 'tied gradients';

export class PipelineParallel implements RankStrategy {
  readonly divides = true;
  readonly halves: HalvesOf = () => null;
  private stages!: StageGraph[];
  private local!: LocalStage[];
  private stepper!: Stepper;
  private exchange!: PartsExchange;
  /** Weights that ranks share, by the group in which their gradients are summed. */
  private tied: Array<{group: Communicator; entries: WeightGradient[]}> = [];
  private readonly releases: Array<() => void> = [];

  constructor(private readonly comm: Communicator, private readonly recorder: SpanRecorder | null, private readonly options: PipelineOptions) {}

  private stagesOf(graph: Graph): StageGraph[] {
    return (this.stages ??= stageGraphs(graph, this.options.plan.cuts));
  }

  private holds(rank: number, {index}: StageGraph): boolean {
    return index % this.comm.size === rank;
  }

  own(graph: Graph): LayerCall[] {
    return this.stagesOf(graph).filter((stage) => this.holds(this.comm.rank, stage)).flatMap((stage) => stage.graph.calls);
  }

  async open(stepper: Stepper): Promise<void> {
    const {comm, options: {model, description, withSource, plan, channelTo}} = this;
    this.stepper = stepper;
    const stages = this.stagesOf(stepper.graph);
    this.local = stages.filter((stage) => this.holds(comm.rank, stage)).map((stage): LocalStage => ({
      stage,
      walk: {graph: stage.graph, segments: stageSegments(stage, stepper.segments, stepper.recompute === 'stage'), hooks: stepper.hooks, sum: stepper.gradients, wanted: stage.from?.slot ?? null},
    }));
    const ranksOf = new Map<tf.Variable, number[]>();
    for (const stage of stages) {
      for (const variable of stage.graph.calls.flatMap(({layer}) => variablesOf(layer))) {
        const ranks = ranksOf.get(variable) ?? [];
        ranksOf.set(variable, [...new Set([...ranks, stage.index % comm.size])].sort((a, b) => a - b));
      }
    }
    this.exchange = new PartsExchange(comm, model, description, (variable) => (ranksOf.get(variable) ?? [0]).map((rank) => ({rank, cut: null})), stepper.gradients.entries);
    await withSource((source) => this.exchange.load(source));
    await this.openTied(ranksOf);
    const peers = new Set(plan.schedule.actions[comm.rank].flatMap((action) => (action.do === 'send' ? [action.peer] : [])));
    for (const peer of peers) {
      const channel = channelTo(peer);
      if (channel) this.releases.push(holdArray(channel, 'communication'));
    }
  }

  private async openTied(ranksOf: Map<tf.Variable, number[]>): Promise<void> {
    const {comm: {rank}, stepper: {gradients}} = this;
    const groups = new Set(GradientSum.of(this.options.model).entries.map(({variable}) => (ranksOf.get(variable) ?? []).join(',')).filter((key) => key.includes(',')));
    for (const key of [...groups].sort()) {
      const ranks = key.split(',').map(Number);
      if (!ranks.includes(rank)) continue;
      this.tied.push({group: await this.comm.group(ranks), entries: gradients.entries.filter(({variable}) => ranksOf.get(variable)!.join(',') === key)});
    }
  }

  readonly hooks: StepHooks = {
    afterGradients: async () => {
      for (const {group, entries} of this.tied) {
        for (const entry of entries) await sumGradient(group, this.recorder, entry, TIED);
      }
    },
  };

  async walkParts(step: number, parts: BatchPart[]): Promise<Values> {
    const {comm, options: {plan: {schedule}}, local, stepper, recorder} = this;
    return new StageRun(comm, schedule, local, stepper, recorder, step, parts).all();
  }

  /** Whether this rank answers for a weight that others have too. */
  private answers({variable}: WeightGradient): boolean {
    return this.tied.every(({group, entries}) => group.rank === 0 || !entries.some((entry) => entry.variable === variable));
  }

  async squares(): Promise<number> {
    const {sums: [squares]} = await sumOverRanks(this.comm, [this.stepper.gradients.squares((entry) => this.answers(entry))]);
    return squares;
  }

  async sumValues(values: Values, penalty = 0): Promise<Values> {
    this.recorder?.begin('wait', 'metrics');
    const {sums} = await sumOverRanks(this.comm, [values[0] + penalty, ...values.slice(1)]);
    this.recorder?.end();
    return sums;
  }

  async broken(): Promise<{gradient: string | null; ranks: number[]}> {
    const all = GradientSum.of(this.options.model).entries;
    const own = this.stepper.gradients.firstBroken();
    const first = await firstOf(this.comm, own ? all.findIndex(({variable}) => variable === own.variable) : null, 'broken gradient');
    return {gradient: first === null ? null : all[first].name, ranks: []};
  }

  /** A batch of validation goes through all stages, one after the other. */
  async evaluate(part: BatchPart): Promise<Values> {
    const {comm, stepper} = this;
    const {rank, size} = comm;
    let values: Values = stepper.objective.names.map(() => 0);
    for (const {stage} of this.local) {
      const {graph, modelInputs, from, to, index} = stage;
      const batch = modelInputs.length > 0 || !to ? part.make({xs: modelInputs.length > 0, ys: !to}) : null;
      const entered = from ? [await receive(comm, (index - 1) % size, 'activations', [part.samples, ...from.shape])] : [];
      const counted = (call: LayerCall) => stepper.graph.calls.find(({layer}) => layer === call.layer)!.index === call.index;
      try {
        const {outputs, penalty} = await predict(graph, [...entered, ...modelInputs.map((i) => batch!.xs[i])], {seed: stepper.seed, layer: '', step: 0, firstSample: 0}, stepper.hooks, {counts: counted});
        try {
          if (to) await comm.send(outputs[0].dataSync() as Float32Array, {to: (rank + 1) % size, label: 'activations'});
          else values = stepper.objective.evaluate(outputs, batch!.ys).map((value, i) => values[i] + value);
          values[0] += penalty;
        } finally {
          tf.dispose(outputs);
        }
      } finally {
        tf.dispose([...entered, ...(batch ? [...batch.xs, ...batch.ys] : [])]);
      }
    }
    return values;
  }

  save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    return this.exchange.save(make);
  }

  dispose(): void {
    for (const release of this.releases) release();
  }
}
