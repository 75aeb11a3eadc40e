/**
 * The pipeline axis: each rank holds one or more stages of the model, and micro-batches
 * flow through all of them (Huang et al. 2019, "GPipe"). A step's gradients are those of the whole
 * batch, so it equals a step of one device with the same micro-batches.
 */
import * as tf from '@tensorflow/tfjs';
import {validationContext} from '../base/stepContext';
import type {Communicator} from '../collectives/types';
import {sumGradient} from '../dataParallel/sumValues';
import {holdArray} from '../memory';
import {variablesOf} from '../model/weights';
import {GradientSum} from '../step/gradientSum';
import type {Graph, LayerCall, Slot} from '../model/graph';
import type {CommunicatingLayerOf, StepHooks, WeightGradient} from '../step/hooks';
import type {Sums} from '../step/objective';
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
  splitPoints: SplitPoint[];
}

/** What the other axes of the mesh do on a rank. */
export interface PipelineContext {
  communicatingLayer: CommunicatingLayerOf;
  prediction: PredictionContext;
  /** This rank's shape of a slot, without the samples' dim; `shape` is that of the whole. */
  shapeOf(slot: Slot, shape: number[]): number[];
}

const TIED = 'tied gradients';
const isCompute = (action: Action): action is Compute =>
  'localStage' in action && !('peer' in action);

export class PipelineParallel implements AxisStrategy {
  readonly communicatingLayer: CommunicatingLayerOf = () => null;
  private stages!: StageGraph[];
  private local!: LocalStage[];
  private stepper!: StepHost;
  private otherAxes!: PipelineContext;
  /** By variable, the ranks that hold it. */
  private readonly ranksByVariable = new Map<tf.Variable, number[]>();
  /** Weights that several ranks hold, by the group that sums their gradients. */
  private tied: Array<{group: Communicator; entries: WeightGradient[]}> = [];
  private readonly releases: Array<() => void> = [];

  /** `channelTo`: the shared memory of this rank's channel to a peer; null without one. */
  constructor(
    private readonly comm: Communicator,
    private readonly recorder: SpanRecorder | null,
    private readonly model: tf.LayersModel,
    private readonly plan: PipelinePlan,
    private readonly channelTo: (peer: number) => Uint8Array | null,
  ) {}

  private stagesOf(graph: Graph): StageGraph[] {
    return (this.stages ??= stageGraphs(graph, this.plan.splitPoints));
  }

  private holds(rank: number, {index}: StageGraph): boolean {
    return index % this.comm.size === rank;
  }

  /** This rank's layers, one list a stage. */
  heldCalls(graph: Graph): LayerCall[][] {
    return this.stagesOf(graph)
      .filter((stage) => this.holds(this.comm.rank, stage))
      .map((stage) => stage.graph.calls);
  }

  /** The ranks of the axis that hold a weight. */
  ranksOf(variable: tf.Variable): number[] {
    return this.ranksByVariable.get(variable) ?? [0];
  }

  async open(stepper: StepHost, otherAxes: PipelineContext): Promise<void> {
    const {comm, plan, channelTo} = this;
    this.stepper = stepper;
    this.otherAxes = otherAxes;
    const stages = this.stagesOf(stepper.graph).map((stage): StageGraph => {
      const local = <T extends StageGraph['from']>(boundary: T): T =>
        boundary
          ? {...boundary, shape: otherAxes.shapeOf(boundary.slot, boundary.shape)}
          : boundary;
      return {...stage, from: local(stage.from), to: local(stage.to)};
    });
    this.local = stages
      .filter((stage) => this.holds(comm.rank, stage))
      .map(
        (stage): LocalStage => ({
          stage,
          pass: {
            graph: stage.graph,
            segments: stageSegments(stage, stepper.segments, stepper.recompute === 'stage'),
            hooks: stepper.hooks,
            gradientSum: stepper.gradients,
            communicatingLayerOf: otherAxes.communicatingLayer,
            wantedInput: stage.from?.slot ?? null,
          },
        }),
      );
    for (const stage of stages) {
      for (const variable of stage.graph.calls.flatMap(({layer}) => variablesOf(layer))) {
        const ranks = this.ranksByVariable.get(variable) ?? [];
        this.ranksByVariable.set(
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
   * Whether several ranks hold the weight, so that its gradient is complete only after the last
   * pass.
   */
  isTied(variable: tf.Variable): boolean {
    return this.ranksOf(variable).length > 1;
  }

  readonly hooks: StepHooks = {
    afterGradients: async () => {
      for (const {group, entries} of this.tied) {
        for (const entry of entries)
          if (entry.variable.trainable) await sumGradient(group, this.recorder, entry, TIED);
      }
    },
  };

  /** This rank's passes in a step with `parts` micro-batches. */
  layerSchedule(parts: number): LayerSchedule {
    return this.plan.schedule.actions[this.comm.rank]
      .filter(isCompute)
      .filter(({microBatch, do: kind}) => microBatch < parts && kind !== 'backwardWeights')
      .map(({do: kind, localStage}) => ({
        direction: kind === 'forward' ? 'forward' : 'backward',
        segments: this.local[localStage].pass.segments,
      }));
  }

  async runParts(step: number, parts: BatchPart[]): Promise<Sums> {
    const {
      comm,
      plan: {schedule},
      local,
      stepper,
      recorder,
    } = this;
    return new StageRun(comm, schedule, local, stepper, recorder, step, parts).run();
  }

  /** Whether this rank owns a weight: the first of the ranks that hold it. */
  owns(variable: tf.Variable): boolean {
    return this.ranksOf(variable)[0] === this.comm.rank;
  }

  /** Whether this rank holds the last stage. */
  get computesLoss(): boolean {
    return this.local.some(({stage}) => stage.to === null);
  }

  /** Runs a validation batch through this rank's stages. */
  async evaluate(part: BatchPart): Promise<Sums> {
    const {comm, stepper, otherAxes} = this;
    const {rank, size} = comm;
    let sums = stepper.objective.noEvaluationSums();
    for (const {stage} of this.local) {
      const {graph, modelInputs, from, to, index} = stage;
      const batch =
        modelInputs.length > 0 || !to ? part.make({xs: modelInputs.length > 0, ys: !to}) : null;
      const entered = from
        ? [await receive(comm, (index - 1) % size, 'activations', [part.samples, ...from.shape])]
        : [];
      try {
        const outputs = await predict(
          graph,
          [...entered, ...modelInputs.map((i) => batch!.xs[i])],
          validationContext(stepper.seed, part),
          stepper.hooks,
          otherAxes.prediction.communicatingLayer,
        );
        try {
          if (to)
            await comm.send(outputs[0].dataSync() as Float32Array, {
              to: (rank + 1) % size,
              label: 'activations',
            });
          else if (otherAxes.prediction.countsLoss)
            sums = stepper.objective.evaluate(outputs, batch!.ys, part.share);
        } finally {
          tf.dispose(outputs);
        }
      } finally {
        tf.dispose([...entered, ...(batch ? [...batch.xs, ...batch.ys] : [])]);
      }
    }
    return sums;
  }

  dispose(): void {
    for (const release of this.releases) release();
  }
}
