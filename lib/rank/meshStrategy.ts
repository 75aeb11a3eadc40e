/**
 * A rank's strategy, composed of the strategies of the mesh's axes: it knows which ranks hold and
 * own each weight, and it sums what concerns all ranks.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {firstOf, sumOverRanks} from '../dataParallel/sumValues';
import type {Mesh} from '../mesh/mesh';
import type {ModelDescription} from '../model/description';
import type {ModelPart} from '../model/modelPart';
import {GradientSum} from '../step/gradientSum';
import type {CommunicatingLayerOf, StepHooks, WeightGradient} from '../step/hooks';
import {replicatedStorage} from '../step/parameterStorage';
import {ModelExchange, type ShardOwner} from '../step/modelExchange';
import type {Sums} from '../step/objective';
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

/** This rank's strategy on each axis; null for an axis with a single rank. */
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
   * Calls `use` with the memory in which the caller placed the model; with null on all ranks except
   * rank 0.
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
  /** The ranks whose local loss of this step is NaN or infinite. */
  private nonFiniteRanks: number[] = [];

  constructor(
    private readonly world: Communicator,
    private readonly recorder: SpanRecorder | null,
    private readonly options: MeshStrategyOptions,
  ) {
    const {data, tensor, pipeline} = options.axes;
    this.dividesGradients = options.dividesGradients;
    // The data axis comes last: it sends gradients that the other axes must complete first.
    this.hooks = [tensor, pipeline, data].flatMap((axis) => (axis ? [axis.hooks] : []));
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
    const unsplitSchedule = (parts: number): LayerSchedule =>
      Array.from({length: parts}, () =>
        (['forward', 'backward'] as const).map((direction) => ({direction, segments})),
      ).flat();
    await data.open({
      stepper,
      load,
      runs: pipeline?.heldCalls(graph) ?? [graph.calls],
      completedLater: (variable) => pipeline?.isTied(variable) ?? false,
      layerSchedule: (count) => pipeline?.layerSchedule(count) ?? unsplitSchedule(count),
    });
  }

  save(make: Parameters<RankStrategy['save']>[0]): ReturnType<RankStrategy['save']> {
    return this.exchange.save(make);
  }

  reload(source: ArrayBuffer | null, part: ModelPart): Promise<void> {
    return this.exchange.load(source, part);
  }

  /** Every rank that holds a weight or a shard of it; the first replica owns it. */
  private holders(variable: tf.Variable): ShardOwner[] {
    const {
      mesh,
      axes: {tensor, pipeline},
    } = this.options;
    const shards = tensor?.shardsOf(variable) ?? null;
    const stages = pipeline?.ranksOf(variable) ?? [0];
    const coordinates = stages.flatMap((stage) =>
      Array.from({length: mesh.data * mesh.tensor}, (_, i) => ({
        pipeline: stage,
        data: Math.floor(i / mesh.tensor),
        tensor: i % mesh.tensor,
      })),
    );
    return coordinates.map((position) => ({
      rank: mesh.rankAt(position),
      shard: shards?.[position.tensor] ?? null,
      owns:
        position.data === 0 &&
        position.pipeline === stages[0] &&
        (shards !== null || position.tensor === 0),
    }));
  }

  /**
   * Whether this rank owns a weight. Ranks that differ only in their data coordinate own the same
   * weights.
   */
  private owns({variable}: WeightGradient): boolean {
    const {tensor, pipeline} = this.options.axes;
    return (tensor?.owns(variable) ?? true) && (pipeline?.owns(variable) ?? true);
  }

  /** Whether this rank belongs to the first replica, which counts what all replicas share. */
  private get isFirstReplica(): boolean {
    const {mesh} = this.options;
    return mesh.coordinatesOf(this.world.rank).data === 0;
  }

  async squares(): Promise<number> {
    return (await sumOverRanks(this.world, [this.localSquares()])).sums[0];
  }

  /** This rank's contribution to `squares`. */
  private localSquares(): number {
    const {data} = this.options.axes;
    const counts = (entry: WeightGradient) => this.owns(entry);
    if (data?.squares) return data.squares(counts);
    return this.isFirstReplica ? this.stepper.gradients.squares(counts) : 0;
  }

  private async applyDivided(globalClipNorm: number | undefined): Promise<void> {
    const norm = globalClipNorm === undefined ? 0 : Math.sqrt(await this.squares());
    await this.options.axes.data!.apply!(
      globalClipNorm !== undefined && norm > globalClipNorm ? globalClipNorm / norm : 1,
    );
  }

  /**
   * Ranks along the tensor axis have the same loss, so only one of them adds it. Each rank adds its
   * own penalty.
   */
  async sumValues(localSums: Sums, penalty?: number): Promise<Sums> {
    const addsLoss = this.countsSamples || penalty === undefined;
    const added = addsLoss ? [...localSums] : localSums.map(() => 0);
    added[0] += penalty ?? 0;
    if (this.options.axes.pipeline) this.recorder?.begin('wait', 'metrics');
    const {sums, nonFiniteRanks} = await sumOverRanks(this.world, added);
    this.recorder?.end();
    this.nonFiniteRanks = nonFiniteRanks;
    return sums;
  }

  /** Whether this rank adds what all ranks of the tensor axis compute alike. */
  private get countsSamples(): boolean {
    return this.options.axes.tensor?.owns(null) ?? true;
  }

  get dividesSamples(): boolean {
    return this.options.mesh.data > 1;
  }

  get computesLoss(): boolean {
    return this.options.axes.pipeline?.computesLoss ?? true;
  }

  async sumCounts(counts: number[]): Promise<number[]> {
    const added = this.countsSamples ? counts : counts.map(() => 0);
    return (await sumOverRanks(this.world, added)).sums;
  }

  async nonFinite(): Promise<{gradient: string | null; ranks: number[]}> {
    const {
      model,
      axes: {data, tensor, pipeline},
    } = this.options;
    const {entries} = GradientSum.of(model);
    const localEntry = data?.firstNonFinite() ?? this.stepper.gradients.firstNonFinite();
    const first = await firstOf(
      this.world,
      localEntry ? entries.findIndex(({variable}) => variable === localEntry.variable) : null,
      'non-finite gradient',
    );
    // If ranks see the same samples, a bad loss cannot be blamed on one rank.
    return {
      gradient: first === null ? null : entries[first].name,
      ranks: tensor || pipeline ? [] : this.nonFiniteRanks,
    };
  }

  async emptyRankPredict(): Promise<void> {
    await this.options.axes.data?.emptyRankPredict();
  }

  dispose(): void {
    const {data, tensor, pipeline} = this.options.axes;
    for (const axis of [data, tensor, pipeline]) axis?.dispose();
  }
}
