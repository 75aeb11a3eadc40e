/**
 * ZeRO: data parallelism without copies. Stage 1 divides the optimizer's state among
 * the ranks, stage 2 the gradients too, stage 3 (FSDP) the weights too (Rajbhandari et al. 2020,
 * "ZeRO", section 5; Zhao et al. 2023, "PyTorch FSDP"). With Ψ the bytes of the weights, a step
 * receives 2Ψ (N-1)/N in stages 1 and 2, as plain data parallelism does, and 3Ψ (N-1)/N in stage 3.
 */
import * as tf from '@tensorflow/tfjs';
import {partStart, type Communicator} from '../collectives/types';
import {addScaled} from '../collectives/kernels';
import {GlobalBatchNorm} from '../dataParallel/batchNorm';
import type {OpenLane} from '../dataParallel/dataParallel';
import {WEIGHTS} from '../dataParallel/dividedUpdate';
import {alignUp} from '../dataParallel/packFlat';
import {FlatParameter} from '../dataParallel/flatParameter';
import type {CommStream} from '../dataParallel/commStream';
import {encodeScatter} from '../dataParallel/commWork';
import {ArrayTensor, sharedArray} from '../devices/arrayTensor';
import {holdArray} from '../memory';
import type {LayerCall} from '../model/graph';
import type {CommunicatingLayerOf, PartInfo, StepHooks, WeightGradient} from '../step/hooks';
import type {DataAxis, DataContext} from '../step/strategy';
import type {SpanRecorder} from '../trace/spans';
import {Gatherer} from './gatherer';
import {shardedStorage} from './shardedStorage';
import {Shards, type Shard} from './shards';
import {
  gatheringsOf,
  planUnits,
  predictGatherings,
  type Unit,
  type UnitSlice,
  type UnitPlan,
} from './units';

export class Zero implements DataAxis {
  private plan!: UnitPlan;
  private shards!: Shards;
  private itinerary!: DataContext['layerSchedule'];
  private scatters: CommStream | null = null;
  private gatherer: Gatherer | null = null;
  private weights: FlatParameter | null = null;
  /** All weights, where every rank holds them, and where each unit begins in it. */
  private flat: Float32Array | null = null;
  private flatStarts: number[] = [];
  /** Views of each unit's places, in stage 1 in the whole gradient, else in each of two buckets. */
  private views: ArrayTensor[][][] = [];
  private readonly releases: Array<() => void> = [];
  private readonly norm: GlobalBatchNorm;
  private step = 0;
  private part: PartInfo = {index: 0, count: 1, samples: 0, share: 0, last: true};
  /** Orders of this step's scatters, and the units that had one. */
  private scattered: number[] = [];
  private readonly begun = new Set<Unit>();
  private missing: number[] = [];
  private readonly touched = new Set<UnitSlice>();

  constructor(
    private readonly comm: Communicator,
    private readonly openLane: OpenLane,
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
    this.itinerary = layerSchedule;
    this.plan = planUnits(graph, runs, sum, ({variable}) => late(variable));
    let at = 0;
    this.flatStarts = this.plan.units.map(({length}) => {
      const start = at;
      at = alignUp(at + length);
      return start;
    });
    if (this.plan.units.length === 0) {
      // A stage of a pipeline may have no weights.
      this.shards = new Shards([]);
      return load(shardedStorage(this.comm, [], this.shards, null));
    }
    await this.openArrays(at);
    const {flat} = this;
    const startOf = ({index}: Unit, place: UnitSlice) => this.flatStarts[index] + place.start;
    if (flat)
      this.weights = new FlatParameter(
        this.plan.units.flatMap((unit) =>
          unit.places.map((place) => ({...place, start: startOf(unit, place)})),
        ),
        flat,
        true,
      );
    await load(
      shardedStorage(
        this.comm,
        this.plan.units,
        this.shards,
        flat &&
          ((unit, place) =>
            flat.subarray(startOf(unit, place), startOf(unit, place) + place.length)),
      ),
    );
    this.weights?.refresh();
  }

  /** `length`: elements of all units in one flat array. */
  private async openArrays(length: number): Promise<void> {
    const {
      comm,
      stage,
      plan: {units},
    } = this;
    const {rank, size} = comm;
    const bounds = units.map((unit) => ({
      unit,
      start: partStart(rank, unit.length, size),
      end: partStart(rank + 1, unit.length, size),
    }));
    const largest = Math.max(...units.map((unit) => unit.length));
    let own = 0;
    const offsets = bounds.map(({start, end}) => {
      const offset = alignUp(own);
      own = offset + end - start;
      return offset;
    });
    const laneUnits = units.map(({name, length: count}, i) => ({
      name,
      length: count,
      shard: offsets[i],
    }));
    // Both threads of a rank see what it owns.
    const ownArray = (category: 'parameters' | 'gradients') => {
      const all = sharedArray(own);
      const parts = bounds.map(({start, end}, i) =>
        all.subarray(offsets[i], offsets[i] + end - start),
      );
      // Without the gaps between them, as what malloc rounds up is not counted.
      this.releases.push(...parts.map((part) => holdArray(part, category)));
      return {all, parts};
    };
    const inFlat = (array: Float32Array) =>
      bounds.map(({start, end}, i) =>
        array.subarray(this.flatStarts[i] + start, this.flatStarts[i] + end),
      );

    let weights: Float32Array[];
    if (stage === 3) {
      const owned = ownArray('parameters');
      weights = owned.parts;
      const buffers = [
        await comm.allocate(largest, 'float32'),
        await comm.allocate(largest, 'float32'),
      ];
      const lane = this.openLane({kind: 'gather', buffers, shards: owned.all, units: laneUnits}, 1);
      this.gatherer = new Gatherer(this.plan, buffers, lane, this.recorder);
    } else {
      this.flat = await comm.allocate(length, 'float32');
      weights = inFlat(this.flat);
    }
    let gradients: Float32Array[];
    const viewsOver = (array: Float32Array, startOf: (unit: Unit) => number) =>
      units.map((unit) =>
        unit.places.map(
          (place) =>
            new ArrayTensor(
              array.subarray(
                startOf(unit) + place.start,
                startOf(unit) + place.start + place.length,
              ),
            ),
        ),
      );
    if (stage === 1) {
      const whole = await comm.allocate(length, 'float32');
      this.releases.push(holdArray(whole, 'gradients'));
      gradients = inFlat(whole);
      this.views = [viewsOver(whole, ({index}) => this.flatStarts[index])];
      this.scatters = this.openLane(
        {
          kind: 'reduce',
          flat: whole,
          operation: 'reduceScatter',
          buckets: units.map((unit, i) => ({
            start: this.flatStarts[i],
            end: this.flatStarts[i] + unit.length,
          })),
        },
        0,
      );
    } else {
      const owned = ownArray('gradients');
      gradients = owned.parts;
      const buckets = [
        await comm.allocate(largest, 'float32'),
        await comm.allocate(largest, 'float32'),
      ];
      for (const bucket of buckets) this.releases.push(holdArray(bucket, 'communication'));
      this.views = buckets.map((bucket) => viewsOver(bucket, () => 0));
      this.scatters = this.openLane(
        {kind: 'scatter', buffers: buckets, shards: owned.all, units: laneUnits},
        0,
      );
    }
    this.shards = new Shards(
      bounds.map(
        ({unit, start, end}, i): Shard => ({
          unit,
          start,
          end,
          weights: weights[i],
          gradients: gradients[i],
        }),
      ),
    );
  }

  readonly communicatingLayer: CommunicatingLayerOf = (call) =>
    GlobalBatchNorm.is(call) ? this.norm : null;

  readonly hooks: StepHooks = {
    beforeStep: (step, parts) => {
      this.step = step;
      this.touched.clear();
      this.begun.clear();
      this.scattered = [];
      this.missing = this.plan.units.map(({places}) => places.length);
      this.gatherer?.begin(
        this.itinerary(parts).flatMap((walk) => gatheringsOf(this.plan, walk)),
        step,
      );
    },
    beforePart: (part) => {
      this.part = part;
      if (this.stage > 1) this.missing = this.plan.units.map(({places}) => places.length);
    },
    emptyRank: (direction, calls) => this.absent(direction, calls),
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
        const bucket = await this.freeBucket();
        for (const place of unit.places) this.fill(unit, place, bucket);
        this.scatter(unit, bucket, false);
      }
      this.recorder?.begin('wait', 'gradients');
      await this.scatters?.wait();
      this.recorder?.end();
    },
    beforePredict: (call) => this.gatherer?.unshard(call),
    afterPredict: (call) => this.gatherer?.forwardOver(call),
    beforePrediction: () => this.gatherer?.begin(predictGatherings(this.plan), this.step),
  };

  /** A bucket that is free: the one before the last must have left. */
  private async freeBucket(): Promise<number> {
    if (this.stage === 1) return 0;
    const {scattered} = this;
    if (scattered.length > 1) await this.scatters!.wait(scattered[scattered.length - 2]);
    return scattered.length % 2;
  }

  /**
   * What of a unit is final once `call` has been passed goes into its bucket, which leaves when it
   * is full.
   */
  private async gradientsOf(unit: Unit, call: LayerCall): Promise<void> {
    if (call.index < unit.first) return;
    const ready = unit.contiguous
      ? unit.places.filter(({firstUse}) => firstUse === call.index)
      : call.index === unit.first
        ? unit.places
        : [];
    if (ready.length === 0) return;
    const bucket = await this.freeBucket();
    for (const place of ready) this.fill(unit, place, bucket);
    // In stage 1 the whole gradient leaves, once no more is added.
    if (this.stage === 1 && !this.part.last) return;
    this.missing[unit.index] -= ready.length;
    if (this.missing[unit.index] === 0) this.scatter(unit, bucket, false);
  }

  /** A unit's bucket leaves. `zero`: this rank adds nothing. */
  private scatter(unit: Unit, bucket: number, zero: boolean): void {
    const order =
      this.stage > 1 ? encodeScatter(unit.index, bucket, zero, this.begun.has(unit)) : unit.index;
    this.scattered.push(this.scatters!.start(order, this.step));
    this.begun.add(unit);
  }

  private fill(unit: Unit, place: UnitSlice, bucket: number): void {
    const {entry} = place;
    const view = this.views[bucket][unit.index][unit.places.indexOf(place)];
    const adds = this.stage === 1 && this.touched.has(place);
    if (entry.gradient && adds)
      addScaled(view.values, entry.gradient.dataSync() as Float32Array, 1);
    else if (entry.gradient) view.fill(entry.gradient);
    else if (!adds) view.values.fill(0);
    entry.gradient?.dispose();
    entry.gradient = null;
    this.touched.add(place);
  }

  /**
   * A rank without samples of a micro-batch: the same collectives as the others, in the same order.
   */
  private async absent(
    direction: 'forward' | 'backward',
    calls: readonly LayerCall[],
  ): Promise<void> {
    const walk = this.itinerary(1).find(
      (one) =>
        one.direction === direction &&
        one.segments.some((segment) => segment.calls.includes(calls[0])),
    )!;
    this.gatherer?.skip(gatheringsOf(this.plan, walk).length);
    await this.norm.absent(direction, calls);
    if (direction === 'forward') return;
    const indices = new Set(calls.map(({index}) => index));
    const passed = this.plan.units
      .filter(({first, late}) => !late && indices.has(first))
      .sort((a, b) => b.first - a.first);
    for (const unit of passed) {
      const bucket = await this.freeBucket();
      if (this.stage === 1) for (const place of unit.places) this.fill(unit, place, bucket);
      if (this.stage > 1 || this.part.last) this.scatter(unit, bucket, true);
    }
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
    for (const [i, {length}] of this.plan.units.entries())
      await this.comm.allGather(
        this.weights.flat.subarray(this.flatStarts[i], this.flatStarts[i] + length),
        {label: WEIGHTS},
      );
    this.weights.refresh();
  }

  firstNonFinite(): WeightGradient | undefined {
    const own = this.shards.broken();
    return own?.unit.places.find(({start, length}) => own.at >= start && own.at < start + length)
      ?.entry;
  }

  dispose(): void {
    this.gatherer?.dispose();
    this.weights?.dispose();
    for (const view of this.views.flat(2)) view.dispose();
    this.shards?.dispose();
    for (const release of this.releases) release();
  }
}
