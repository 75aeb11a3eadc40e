/**
 * ZeRO: data parallelism without copies. Stage 1 divides the optimizer's state among the ranks,
 * stage 2 also the gradients, stage 3 (FSDP) also the weights (Rajbhandari et al. 2020, "ZeRO",
 * section 5; Zhao et al. 2023, "PyTorch FSDP"). With Ψ the bytes of the weights, a rank receives
 * 2Ψ (N-1)/N per step in stages 1 and 2, as in plain data parallelism, and 3Ψ (N-1)/N in stage 3.
 */
import type * as tf from '@tensorflow/tfjs';
import {addScaled} from '../collectives/kernels';
import type {Communicator} from '../collectives/types';
import {GlobalBatchNorm} from '../dataParallel/batchNorm';
import type {CommStream} from '../dataParallel/commStream';
import {encodeScatter} from '../dataParallel/commWork';
import type {OpenCommStream} from '../dataParallel/dataParallel';
import {WEIGHTS} from '../dataParallel/dividedUpdate';
import {FlatParameter} from '../dataParallel/flatParameter';
import type {ArrayTensor} from '../devices/arrayTensor';
import type {LayerCall} from '../model/graph';
import type {CommunicatingLayerOf, PartInfo, StepHooks, WeightGradient} from '../step/hooks';
import type {DataAxis, DataContext} from '../step/strategy';
import type {SpanRecorder} from '../trace/spans';
import type {Gatherer} from './gatherer';
import {flatLayoutOf, openArrays, type FlatLayout} from './openArrays';
import {shardedStorage} from './shardedStorage';
import {Shards} from './shards';
import {
  gatheringsOf,
  planUnits,
  predictGatherings,
  type Unit,
  type UnitPlan,
  type UnitSlice,
} from './units';

export class Zero implements DataAxis {
  private plan!: UnitPlan;
  private shards!: Shards;
  private layerSchedule!: DataContext['layerSchedule'];
  private scatters: CommStream | null = null;
  private gatherer: Gatherer | null = null;
  /** All weights, in the stages in which every rank holds them. */
  private weights: FlatParameter | null = null;
  private layout: FlatLayout = {starts: [], length: 0};
  private views: ArrayTensor[][][] = [];
  private readonly cleanups: Array<() => void> = [];
  private readonly norm: GlobalBatchNorm;
  private step = 0;
  private part: PartInfo = {index: 0, count: 1, samples: 0, share: 0, last: true};
  /** This step's scatters: for each, the number of ops of the stream up to it. */
  private scattered: number[] = [];
  /** The units that have been scattered in this step. */
  private readonly begun = new Set<Unit>();
  /** By unit, how many gradients are still missing. */
  private missing: number[] = [];
  private readonly touched = new Set<UnitSlice>();

  constructor(
    private readonly comm: Communicator,
    private readonly openStream: OpenCommStream,
    private readonly recorder: SpanRecorder | null,
    private readonly stage: 1 | 2 | 3,
    private readonly optimizer: tf.Optimizer,
  ) {
    this.norm = new GlobalBatchNorm(comm);
  }

  async open({
    stepper: {graph, gradients: sum},
    runs,
    completedLater: late,
    layerSchedule,
    load,
  }: DataContext): Promise<void> {
    sum.category = 'communication';
    this.layerSchedule = layerSchedule;
    this.plan = planUnits(graph, runs, sum, ({variable}) => late(variable));
    const {comm, stage, plan, openStream, recorder} = this;
    if (plan.units.length === 0) {
      // A stage of a pipeline may have no weights.
      this.shards = new Shards([]);
      return load(shardedStorage(comm, [], this.shards, null, () => {}));
    }
    this.layout = flatLayoutOf(plan.units);
    const {fullWeights, ...arrays} = await openArrays({
      comm,
      stage,
      plan,
      layout: this.layout,
      openStream,
      recorder,
      cleanups: this.cleanups,
    });
    this.shards = arrays.shards;
    this.scatters = arrays.scatters;
    this.gatherer = arrays.gatherer;
    this.views = arrays.views;
    const fullSlice = fullWeights && this.openFull(fullWeights);
    await load(
      shardedStorage(comm, plan.units, this.shards, fullSlice, () => this.weights?.refresh()),
    );
  }

  /** Makes the model's weights slices of `full`; returns the function that finds a slice. */
  private openFull(full: Float32Array): (unit: Unit, slice: UnitSlice) => Float32Array {
    const startOf = ({index}: Unit, slice: UnitSlice) => this.layout.starts[index] + slice.start;
    const slices = this.plan.units.flatMap((unit) =>
      unit.slices.map((slice) => ({...slice, start: startOf(unit, slice)})),
    );
    this.weights = new FlatParameter(slices, full, true);
    return (unit, slice) => {
      const start = startOf(unit, slice);
      return full.subarray(start, start + slice.length);
    };
  }

  readonly communicatingLayer: CommunicatingLayerOf = (call) =>
    GlobalBatchNorm.is(call) ? this.norm : null;

  readonly hooks: StepHooks = {
    beforeStep: (step, parts) => {
      this.step = step;
      this.touched.clear();
      this.begun.clear();
      this.scattered = [];
      this.missing = this.plan.units.map(({slices}) => slices.length);
      this.gatherer?.begin(
        this.layerSchedule(parts).flatMap((pass) => gatheringsOf(this.plan, pass)),
        step,
      );
    },
    beforePart: (part) => {
      this.part = part;
      if (this.stage > 1) this.missing = this.plan.units.map(({slices}) => slices.length);
    },
    emptyRank: (direction, calls) => this.emptyRank(direction, calls),
    beforeForward: (call) => this.gatherer?.unshard(call),
    afterForward: (call) => this.gatherer?.forwardOver(call),
    beforeRecompute: (call) => this.gatherer?.unshard(call),
    afterTape: (call, tape) => this.gatherer?.keep(call, tape),
    beforeBackward: (call) => this.gatherer?.unshard(call),
    afterBackward: async (call) => {
      this.gatherer?.dropUsedTapes(call);
      for (const unit of this.plan.units) if (!unit.late) await this.gradientsOf(unit, call);
      this.gatherer?.backwardOver(call);
    },
    afterGradients: async () => {
      for (const unit of this.plan.units) {
        if (!unit.late) continue;
        const buffer = await this.freeBuffer();
        for (const slice of unit.slices) this.fill(unit, slice, buffer);
        this.scatter(unit, buffer, false);
      }
      this.recorder?.begin('wait', 'gradients');
      await this.scatters?.wait();
      this.recorder?.end();
    },
    beforePredict: (call) => this.gatherer?.unshard(call),
    afterPredict: (call) => this.gatherer?.forwardOver(call),
    beforePrediction: () => this.gatherer?.begin(predictGatherings(this.plan), this.step),
  };

  /** A free buffer; it waits until the scatter before the last one is finished. */
  private async freeBuffer(): Promise<number> {
    if (this.stage === 1) return 0;
    const {scattered} = this;
    if (scattered.length > 1) await this.scatters!.wait(scattered[scattered.length - 2]);
    return scattered.length % 2;
  }

  /**
   * The unit's gradients that are final after the backward pass of `call` go into a buffer, which
   * is sent when it is full.
   */
  private async gradientsOf(unit: Unit, call: LayerCall): Promise<void> {
    const ready = finalSlices(unit, call);
    if (ready.length === 0) return;
    const buffer = await this.freeBuffer();
    for (const slice of ready) this.fill(unit, slice, buffer);
    // In stage 1 the whole gradient is sent after the last micro-batch.
    if (this.stage === 1 && !this.part.last) return;
    this.missing[unit.index] -= ready.length;
    if (this.missing[unit.index] === 0) this.scatter(unit, buffer, false);
  }

  /** Starts the sum of a unit's gradients. `zero`: this rank adds nothing. */
  private scatter(unit: Unit, buffer: number, zero: boolean): void {
    // In stage 1 an op is the index of a bucket, and each unit is a bucket.
    const op =
      this.stage > 1
        ? encodeScatter({unit: unit.index, buffer, zero, add: this.begun.has(unit)})
        : unit.index;
    this.scattered.push(this.scatters!.start(op, this.step));
    this.begun.add(unit);
  }

  /** Moves a gradient into a buffer. */
  private fill(unit: Unit, slice: UnitSlice, buffer: number): void {
    const {entry} = slice;
    const view = this.views[buffer][unit.index][unit.slices.indexOf(slice)];
    const adds = this.stage === 1 && this.touched.has(slice);
    if (entry.gradient && adds)
      addScaled(view.values, entry.gradient.dataSync() as Float32Array, 1);
    else if (entry.gradient) view.fill(entry.gradient);
    else if (!adds) view.values.fill(0);
    entry.gradient?.dispose();
    entry.gradient = null;
    this.touched.add(slice);
  }

  /**
   * For a rank without samples of a micro-batch: the collectives of the other ranks, in the same
   * order.
   */
  private async emptyRank(
    direction: 'forward' | 'backward',
    calls: readonly LayerCall[],
  ): Promise<void> {
    const pass = this.layerSchedule(1).find(
      (candidate) =>
        candidate.direction === direction &&
        candidate.segments.some((segment) => segment.calls.includes(calls[0])),
    )!;
    this.gatherer?.skip(gatheringsOf(this.plan, pass).length);
    if (direction === 'forward') {
      await this.norm.emptyRank(direction, calls);
      return;
    }
    // Batch norms and scatters take turns: the other ranks wait for earlier scatters before they
    // reach a batch norm.
    for (const call of [...calls].sort((a, b) => b.index - a.index)) {
      await this.norm.emptyRank(direction, [call]);
      for (const unit of this.plan.units)
        if (!unit.late && unit.first === call.index) await this.scatterNothing(unit);
    }
  }

  /** Takes part in the sum of a unit's gradients without adding to it. */
  private async scatterNothing(unit: Unit): Promise<void> {
    const buffer = await this.freeBuffer();
    if (this.stage === 1) for (const slice of unit.slices) this.fill(unit, slice, buffer);
    if (this.stage > 1 || this.part.last) this.scatter(unit, buffer, true);
  }

  async emptyRankPredict(): Promise<void> {
    const gatherings = predictGatherings(this.plan);
    this.gatherer?.begin(gatherings, this.step);
    this.gatherer?.skip(gatherings.length);
  }

  squares(counts: (entry: WeightGradient) => boolean): number {
    return this.shards.squares(counts);
  }

  async apply(scale: number): Promise<void> {
    this.shards.update(this.optimizer, scale);
    if (!this.weights) return;
    for (const [i, {length}] of this.plan.units.entries()) {
      const start = this.layout.starts[i];
      await this.comm.allGather(this.weights.flat.subarray(start, start + length), {
        label: WEIGHTS,
      });
    }
    this.weights.refresh();
  }

  firstNonFinite(): WeightGradient | undefined {
    const position = this.shards.firstNonFinite();
    if (!position) return undefined;
    const {unit, offset} = position;
    return unit.slices.find(({start, length}) => offset >= start && offset < start + length)?.entry;
  }

  dispose(): void {
    this.weights?.dispose();
    this.shards?.dispose();
    for (const cleanup of this.cleanups) cleanup();
  }
}

/** The slices whose gradients are final after the backward pass of `call`, and can be sent then. */
function finalSlices({first, contiguous, slices}: Unit, call: LayerCall): UnitSlice[] {
  if (call.index < first) return [];
  if (contiguous) return slices.filter(({firstUse}) => firstUse === call.index);
  return call.index === first ? slices : [];
}
