/**
 * A rank's strategy, put together from the axes of the mesh: who has which weight and
 * answers for it, and what all ranks add up.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {firstOf, sumOverRanks} from '../dataParallel/sumValues';
import type {Mesh} from '../mesh/mesh';
import type {ModelDescription} from '../model/description';
import {GradientSum} from '../step/gradientSum';
import type {CommunicatingLayerOf, StepHooks, WeightGradient} from '../step/hooks';
import {replicatedStorage} from '../step/parameterStorage';
import {ModelExchange, type ShardOwner} from '../step/modelExchange';
import type {Values} from '../step/objective';
import {countAll, type PenaltyCounts} from '../step/penalties';
import type {
  DataAxis,
  LayerSchedule,
  PredictionContext,
  RankStrategy,
  StepHost,
} from '../step/strategy';
import type {TensorParallel} from '../tensorParallel/tensorParallel';
import type {PipelineParallel} from '../pipelineParallel/pipelineParallel';
import type {SpanRecorder} from '../trace/spans';

/** The axes of which the mesh has more than one, each as this rank sees it. */
export interface AxisStrategies {
  data: DataAxis | null;
  tensor: TensorParallel | null;
  pipeline: PipelineParallel | null;
}

export interface MeshStrategyOptions {
  mesh: Mesh;
  axes: AxisStrategies;
  model: tf.LayersModel;
  description: ModelDescription;
  /** Whether ranks hold different gradients. */
  dividesGradients: boolean;
  /**
   * Calls its argument with the caller's memory of the model on rank 0, with null on the others.
   */
  withSource(use: (source: ArrayBuffer | null) => Promise<void>): Promise<void>;
}

export class MeshStrategy implements RankStrategy {
  readonly dividesGradients: boolean;
  readonly hooks: readonly StepHooks[];
  readonly heldCalls?: RankStrategy['heldCalls'];
  readonly runParts?: RankStrategy['runParts'];
  readonly evaluate?: RankStrategy['evaluate'];
  readonly apply?: RankStrategy['apply'];
  readonly prediction: PredictionContext;
  private stepper!: StepHost;
  private exchange!: ModelExchange;
  /** The ranks whose own loss of this step is no number. */
  private brokenRanks: number[] = [];

  constructor(
    private readonly world: Communicator,
    private readonly recorder: SpanRecorder | null,
    private readonly options: MeshStrategyOptions,
  ) {
    const {data, tensor, pipeline} = options.axes;
    this.dividesGradients = options.dividesGradients;
    // What other axes complete stands before the data axis takes it away.
    this.hooks = [tensor, pipeline, data].flatMap((part) => (part ? [part.hooks] : []));
    if (pipeline) {
      this.heldCalls = (graph) => pipeline.heldCalls(graph).flat();
      this.runParts = (step, batchParts) => pipeline.runParts(step, batchParts);
      this.evaluate = (part) => pipeline.evaluate(part);
    }
    this.prediction = {
      communicatingLayer: (call) => tensor?.communicatingLayer(call) ?? null,
      countsLoss: tensor?.owns(null) ?? true,
    };
    if (data?.apply) this.apply = (globalClipNorm) => this.applyDivided(globalClipNorm);
  }

  readonly communicatingLayer: CommunicatingLayerOf = (call) =>
    this.options.axes.tensor?.communicatingLayer(call) ??
    this.options.axes.data?.communicatingLayer(call) ??
    null;

  get countsPenalty(): PenaltyCounts {
    return this.options.axes.tensor?.countsPenalty ?? countAll;
  }

  async open(stepper: StepHost): Promise<void> {
    const {
      model,
      axes: {data, tensor, pipeline},
    } = this.options;
    this.stepper = stepper;
    tensor?.open(stepper);
    await pipeline?.open(stepper, {
      communicatingLayer: this.communicatingLayer,
      prediction: this.prediction,
      shapeOf: (slot, shape) => tensor?.shapeOf(slot, shape) ?? shape,
      countsPenalty: this.countsPenalty,
    });
    const load = async (storage = replicatedStorage(stepper.gradients.entries)) => {
      const {description, withSource} = this.options;
      this.exchange = new ModelExchange(
        this.world,
        model,
        description,
        (variable) => this.holders(variable),
        storage,
      );
      await withSource((source) => this.exchange.load(source));
    };
    if (!data) return load();
    const {graph, segments} = stepper;
    const whole = (parts: number): LayerSchedule =>
      Array.from({length: parts}, () =>
        (['forward', 'backward'] as const).map((direction) => ({direction, segments})),
      ).flat();
    await data.open({
      stepper,
      load,
      runs: pipeline?.heldCalls(graph) ?? [graph.calls],
      completedLater: (variable) => pipeline?.isTied(variable) ?? false,
      layerSchedule: (count) => pipeline?.layerSchedule(count) ?? whole(count),
    });
  }

  save(make: Parameters<RankStrategy['save']>[0]): ReturnType<RankStrategy['save']> {
    return this.exchange.save(make);
  }

  /** Every rank that has a weight; the first replica answers for all. */
  private holders(variable: tf.Variable): ShardOwner[] {
    const {
      mesh,
      axes: {tensor, pipeline},
    } = this.options;
    const cuts = tensor?.shardsOf(variable) ?? null;
    const stages = pipeline?.ranksOf(variable) ?? [0];
    const places = stages.flatMap((stage) =>
      Array.from({length: mesh.data * mesh.tensor}, (_, i) => ({
        pipeline: stage,
        data: Math.floor(i / mesh.tensor),
        tensor: i % mesh.tensor,
      })),
    );
    return places.map((at) => ({
      rank: mesh.rankAt(at),
      shard: cuts?.[at.tensor] ?? null,
      owns: at.data === 0 && at.pipeline === stages[0] && (cuts !== null || at.tensor === 0),
    }));
  }

  /**
   * Whether this rank answers for a weight, beside those that differ from it on the data axis
   * alone.
   */
  private answers({variable}: WeightGradient): boolean {
    const {tensor, pipeline} = this.options.axes;
    return (tensor?.owns(variable) ?? true) && (pipeline?.owns(variable) ?? true);
  }

  /** Whether it answers for what all replicas have alike. */
  private get isFirstReplica(): boolean {
    const {mesh} = this.options;
    return mesh.coordinatesOf(this.world.rank).data === 0;
  }

  async squares(): Promise<number> {
    const {data} = this.options.axes;
    const counts = (entry: WeightGradient) => this.answers(entry);
    const own = data?.squares
      ? data.squares(counts)
      : this.isFirstReplica
        ? this.stepper.gradients.squares(counts)
        : 0;
    return (await sumOverRanks(this.world, [own])).sums[0];
  }

  private async applyDivided(globalClipNorm: number | undefined): Promise<void> {
    const norm = globalClipNorm === undefined ? 0 : Math.sqrt(await this.squares());
    await this.options.axes.data!.apply!(
      globalClipNorm !== undefined && norm > globalClipNorm ? globalClipNorm / norm : 1,
    );
  }

  /** Ranks along the tensor axis have the same loss; penalties are each rank's own. */
  async sumValues(values: Values, penalty?: number): Promise<Values> {
    const first = (this.options.axes.tensor?.owns(null) ?? true) || penalty === undefined;
    const own = first ? [...values] : values.map(() => 0);
    own[0] += penalty ?? 0;
    if (this.options.axes.pipeline) this.recorder?.begin('wait', 'metrics');
    const {sums, brokenRanks} = await sumOverRanks(this.world, own);
    this.recorder?.end();
    this.brokenRanks = brokenRanks;
    return sums;
  }

  async nonFinite(): Promise<{gradient: string | null; ranks: number[]}> {
    const {
      model,
      axes: {data, tensor, pipeline},
    } = this.options;
    const all = GradientSum.of(model).entries;
    const own = data?.firstNonFinite() ?? this.stepper.gradients.firstNonFinite();
    const first = await firstOf(
      this.world,
      own ? all.findIndex(({variable}) => variable === own.variable) : null,
      'broken gradient',
    );
    // Where ranks see the same samples the loss is not of one of them.
    return {
      gradient: first === null ? null : all[first].name,
      ranks: tensor || pipeline ? [] : this.brokenRanks,
    };
  }

  async emptyRankPredict(): Promise<void> {
    await this.options.axes.data?.emptyRankPredict();
  }

  dispose(): void {
    const {data, tensor, pipeline} = this.options.axes;
    for (const part of [data, tensor, pipeline]) part?.dispose();
  }
}
