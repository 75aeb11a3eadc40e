/**
 * The pipeline axis: each rank holds a run of the model's layers, and micro-batches
 * flow through all of them (Huang et al. 2019, "GPipe"). A step's gradients are those of the whole
 * batch, so that it equals one device's with the same micro-batches.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {sumGradient} from '../dataParallel/sumValues';
import {holdArray} from '../memory';
import {variablesOf} from '../model/weights';
import {GradientSum} from '../step/gradientSum';
import type {Graph, LayerCall, Slot} from '../model/graph';
import type {CommunicatingLayerOf, StepHooks, WeightGradient} from '../step/hooks';
import type {Values} from '../step/objective';
import type {PenaltyCounts} from '../step/penalties';
import {predict} from '../step/predict';
import type {AxisStrategy, LayerSchedule, PredictionContext} from '../step/strategy';
import type {BatchPart, StepHost} from '../step/strategy';
import type {SpanRecorder} from '../trace/spans';
import type {SplitPoint} from './splitPoints';
import {receive} from './stageChannel';
import type {Action, Compute, Schedule} from './schedule';
import {StageRun, type LocalStage} from './stageRun';
import {stageGraphs, stageSegments, type StageGraph} from './stages';

/** How a pipeline runs; plain data, the same on every rank. */
export interface PipelinePlan {
  schedule: Schedule;
  cuts: SplitPoint[];
}

/** What a pipeline finds beside it on a rank. */
export interface PipelineContext {
  halves: CommunicatingLayerOf;
  predicting: PredictionContext;
  /** A slot's shape without the samples' dim, as a rank of another axis has it. */
  shapeOf(slot: Slot, shape: number[]): number[];
  countsPenalty: PenaltyCounts;
}

const TIED = 'tied gradients';
const isCompute = (action: Action): action is Compute =>
  'localStage' in action && !('peer' in action);

export class PipelineParallel implements AxisStrategy {
  readonly communicatingLayer: CommunicatingLayerOf = () => null;
  private stages!: StageGraph[];
  private local!: LocalStage[];
  private stepper!: StepHost;
  private beside!: PipelineContext;
  /** By variable, the ranks that have it. */
  private readonly ranks = new Map<tf.Variable, number[]>();
  /** Weights that ranks share, by the group in which their gradients are summed. */
  private tied: Array<{group: Communicator; entries: WeightGradient[]}> = [];
  private readonly releases: Array<() => void> = [];

  /** `channelTo`: the memory through which this rank sends to another, where it has such. */
  constructor(
    private readonly comm: Communicator,
    private readonly recorder: SpanRecorder | null,
    private readonly model: tf.LayersModel,
    private readonly plan: PipelinePlan,
    private readonly channelTo: (peer: number) => Uint8Array | null,
  ) {}

  private stagesOf(graph: Graph): StageGraph[] {
    return (this.stages ??= stageGraphs(graph, this.plan.cuts));
  }

  private holds(rank: number, {index}: StageGraph): boolean {
    return index % this.comm.size === rank;
  }

  /** This rank's layers, a run a stage. */
  runs(graph: Graph): LayerCall[][] {
    return this.stagesOf(graph)
      .filter((stage) => this.holds(this.comm.rank, stage))
      .map((stage) => stage.graph.calls);
  }

  /** The ranks of the axis that have a weight. */
  ranksOf(variable: tf.Variable): number[] {
    return this.ranks.get(variable) ?? [0];
  }

  async open(stepper: StepHost, beside: PipelineContext): Promise<void> {
    const {comm, plan, channelTo} = this;
    this.stepper = stepper;
    this.beside = beside;
    const stages = this.stagesOf(stepper.graph).map((stage): StageGraph => {
      const local = <T extends StageGraph['from']>(boundary: T): T =>
        boundary ? {...boundary, shape: beside.shapeOf(boundary.slot, boundary.shape)} : boundary;
      return {...stage, from: local(stage.from), to: local(stage.to)};
    });
    this.local = stages
      .filter((stage) => this.holds(comm.rank, stage))
      .map(
        (stage): LocalStage => ({
          stage,
          walk: {
            graph: stage.graph,
            segments: stageSegments(stage, stepper.segments, stepper.recompute === 'stage'),
            hooks: stepper.hooks,
            gradientSum: stepper.gradients,
            communicatingLayerOf: beside.halves,
            wantedInput: stage.from?.slot ?? null,
          },
        }),
      );
    for (const stage of stages) {
      for (const variable of stage.graph.calls.flatMap(({layer}) => variablesOf(layer))) {
        const ranks = this.ranks.get(variable) ?? [];
        this.ranks.set(
          variable,
          [...new Set([...ranks, stage.index % comm.size])].sort((a, b) => a - b),
        );
      }
    }
    await this.openTied();
    const peers = new Set(
      plan.schedule.actions[comm.rank].flatMap((action) =>
        action.do === 'send' ? [action.peer] : [],
      ),
    );
    for (const peer of peers) {
      const channel = channelTo(peer);
      if (channel) this.releases.push(holdArray(channel, 'communication'));
    }
  }

  private async openTied(): Promise<void> {
    const {
      comm: {rank},
      stepper: {gradients},
    } = this;
    const groups = new Set(
      GradientSum.of(this.model)
        .entries.map(({variable}) => this.ranksOf(variable).join(','))
        .filter((key) => key.includes(',')),
    );
    for (const key of [...groups].sort()) {
      const ranks = key.split(',').map(Number);
      if (!ranks.includes(rank)) continue;
      this.tied.push({
        group: await this.comm.group(ranks),
        entries: gradients.entries.filter(({variable}) => this.ranksOf(variable).join(',') === key),
      });
    }
  }

  /**
   * Whether several stages have the weight, so that its gradient is complete after the last walk.
   */
  isTied(variable: tf.Variable): boolean {
    return this.ranksOf(variable).length > 1;
  }

  readonly hooks: StepHooks = {
    afterGradients: async () => {
      for (const {group, entries} of this.tied) {
        for (const entry of entries) await sumGradient(group, this.recorder, entry, TIED);
      }
    },
  };

  /** This rank's walks of a step with so many micro-batches. */
  itinerary(parts: number): LayerSchedule {
    return this.plan.schedule.actions[this.comm.rank]
      .filter(isCompute)
      .filter(({microBatch, do: kind}) => microBatch < parts && kind !== 'backwardWeights')
      .map(({do: kind, localStage}) => ({
        direction: kind === 'forward' ? 'forward' : 'backward',
        segments: this.local[localStage].walk.segments,
      }));
  }

  async walkParts(step: number, parts: BatchPart[]): Promise<Values> {
    const {
      comm,
      plan: {schedule},
      local,
      stepper,
      recorder,
    } = this;
    return new StageRun(comm, schedule, local, stepper, recorder, step, parts).all();
  }

  /** Whether this rank answers for a weight that others may have too. */
  answers(variable: tf.Variable): boolean {
    return this.ranksOf(variable)[0] === this.comm.rank;
  }

  /** A batch of validation goes through all stages, one after the other. */
  async evaluate(part: BatchPart): Promise<Values> {
    const {comm, stepper, beside} = this;
    const {rank, size} = comm;
    let values: Values = stepper.objective.names.map(() => 0);
    for (const {stage} of this.local) {
      const {graph, modelInputs, from, to, index} = stage;
      const batch =
        modelInputs.length > 0 || !to ? part.make({xs: modelInputs.length > 0, ys: !to}) : null;
      const entered = from
        ? [await receive(comm, (index - 1) % size, 'activations', [part.samples, ...from.shape])]
        : [];
      const isFirst = (call: LayerCall) =>
        stepper.graph.calls.find(({layer}) => layer === call.layer)!.index === call.index;
      try {
        const counts = (call: LayerCall, variable: tf.Variable | null) =>
          isFirst(call) && beside.countsPenalty(variable).value;
        const {outputs, penalty} = await predict(
          graph,
          [...entered, ...modelInputs.map((i) => batch!.xs[i])],
          {seed: stepper.seed, layer: '', step: 0, firstSample: 0},
          stepper.hooks,
          {counts, communicatingLayerOf: beside.predicting.communicatingLayer},
        );
        try {
          if (to)
            await comm.send(outputs[0].dataSync() as Float32Array, {
              to: (rank + 1) % size,
              label: 'activations',
            });
          else if (beside.predicting.countsLoss)
            values = stepper.objective
              .evaluate(outputs, batch!.ys)
              .map((value, i) => values[i] + value);
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

  dispose(): void {
    for (const release of this.releases) release();
  }
}
