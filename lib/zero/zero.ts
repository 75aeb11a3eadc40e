/**
 * Worker side. ZeRO: data parallelism without copies. Stage 1 divides the optimizer's state among the ranks, stage 2 the gradients too, stage 3 (FSDP) the weights
 * too (Rajbhandari et al. 2020, "ZeRO", section 5; Zhao et al. 2023, "PyTorch FSDP"). With Ψ the bytes of the weights, a step receives 2Ψ (N-1)/N in stages
 * 1 and 2, as plain data parallelism does, and 3Ψ (N-1)/N in stage 3.
 */
import * as tf from '@tensorflow/tfjs';
import {partStart, type Communicator} from '../collectives/types';
import {addScaled} from '../collectives/kernels';
import {GlobalBatchNorm} from '../dataParallel/batchNorm';
import type {OpenLane} from '../dataParallel/dataParallel';
import {WEIGHTS} from '../dataParallel/dividedUpdate';
import {aligned} from '../dataParallel/endToEnd';
import {FlatWeights} from '../dataParallel/flatWeights';
import type {Lane} from '../dataParallel/lane';
import {scatterOrder} from '../dataParallel/laneWork';
import {firstOf, sumOverRanks} from '../dataParallel/sumValues';
import {ArrayTensor} from '../devices/arrayTensor';
import {holdArray} from '../memory';
import type {ModelDescription, OptimizerState} from '../model/description';
import type {LayerCall} from '../step/graph';
import type {HalvesOf, PartInfo, StepHooks, WeightGradient} from '../step/hooks';
import type {Values} from '../step/objective';
import type {RankStrategy} from '../step/strategy';
import type {Stepper} from '../step/trainStep';
import type {SpanRecorder} from '../trace/spans';
import {Exchange} from './exchange';
import {Gatherer} from './gatherer';
import {Shards, type Shard} from './shards';
import {planUnits, predictGatherings, trainGatherings, type Gathering, type Unit, type UnitPlace, type UnitPlan} from './units';

export interface ZeroOptions {
  stage: 1 | 2 | 3;
  model: tf.LayersModel;
  description: ModelDescription;
  /** Calls its argument with the caller's memory of the model on rank 0, with null on the others. */
  withSource(use: (source: ArrayBuffer | null) => Promise<void>): Promise<void>;
}

export class Zero implements RankStrategy {
  readonly divides = true;
  private plan!: UnitPlan;
  private shards!: Shards;
  private exchange!: Exchange;
  private entries!: WeightGradient[];
  private scatters!: Lane;
  private gatherer: Gatherer | null = null;
  private weights: FlatWeights | null = null;
  /** All weights, where every rank holds them, and where each unit begins in it. */
  private flat: Float32Array | null = null;
  private flatStarts: number[] = [];
  private trainGatherings: Gathering[] = [];
  private predictGatherings: Gathering[] = [];
  /** Views of each unit's places, in stage 1 in the whole gradient, else in each of two buckets. */
  private views: ArrayTensor[][][] = [];
  private readonly releases: Array<() => void> = [];
  private readonly norm: GlobalBatchNorm;
  private norms: LayerCall[] = [];
  private brokenRanks: number[] = [];
  private step = 0;
  private part: PartInfo = {index: 0, count: 1, samples: 0, share: 0};
  /** Orders of this micro-batch's scatters. */
  private scattered: number[] = [];
  private missing: number[] = [];
  private readonly touched = new Set<UnitPlace>();

  constructor(private readonly comm: Communicator, private readonly openLane: OpenLane, private readonly recorder: SpanRecorder | null, private readonly options: ZeroOptions) {
    this.norm = new GlobalBatchNorm(comm);
  }

  private get stage(): 1 | 2 | 3 {
    return this.options.stage;
  }

  async open(stepper: Stepper): Promise<void> {
    const {graph, gradients: sum, segments} = stepper;
    sum.category = 'communication';
    this.entries = sum.entries;
    this.plan = planUnits(graph, sum);
    this.norms = graph.calls.filter(GlobalBatchNorm.is);
    this.trainGatherings = trainGatherings(this.plan, segments);
    this.predictGatherings = predictGatherings(this.plan);
    let at = 0;
    this.flatStarts = this.plan.units.map(({length}) => {
      const start = at;
      at = aligned(at + length);
      return start;
    });
    await this.openArrays(at);
    const {model, description, withSource} = this.options;
    const {flat} = this;
    const startOf = ({index}: Unit, place: UnitPlace) => this.flatStarts[index] + place.start;
    if (flat) this.weights = new FlatWeights(this.plan.units.flatMap((unit) => unit.places.map((place) => ({...place, start: startOf(unit, place)}))), flat, true);
    this.exchange = new Exchange(this.comm, model, description, this.plan.units, this.shards, flat && ((unit, place) => flat.subarray(startOf(unit, place), startOf(unit, place) + place.length)));
    await withSource((source) => this.exchange.load(source));
    this.weights?.refresh();
  }

  /** `length`: elements of all units in one flat array. */
  private async openArrays(length: number): Promise<void> {
    const {comm, stage, plan: {units}} = this;
    const {rank, size} = comm;
    const bounds = units.map((unit) => ({unit, start: partStart(rank, unit.length, size), end: partStart(rank + 1, unit.length, size)}));
    const own = bounds.reduce((sum, {start, end}) => sum + end - start, 0);
    const largest = Math.max(...units.map((unit) => unit.length));
    const offsets = bounds.map((_, i) => bounds.slice(0, i).reduce((sum, {start, end}) => sum + end - start, 0));
    // Both threads of a rank see what it owns.
    const ownArray = (category: 'parameters' | 'gradients') => {
      const array = new Float32Array(new SharedArrayBuffer(4 * own));
      this.releases.push(holdArray(array, category));
      return array;
    };
    const laneUnits = units.map(({name, length: count}, i) => ({name, length: count, shard: offsets[i]}));
    const partsOf = (array: Float32Array) => bounds.map(({start, end}, i) => array.subarray(offsets[i], offsets[i] + end - start));
    const inFlat = (array: Float32Array) => bounds.map(({start, end}, i) => array.subarray(this.flatStarts[i] + start, this.flatStarts[i] + end));

    let weights: Float32Array[];
    if (stage === 3) {
      const owned = ownArray('parameters');
      weights = partsOf(owned);
      const buffers = [await comm.allocate(largest, 'float32'), await comm.allocate(largest, 'float32')];
      const lane = this.openLane({kind: 'gather', buffers, shards: owned, units: laneUnits}, 1);
      this.gatherer = new Gatherer(this.plan, buffers, lane, this.recorder);
    } else {
      this.flat = await comm.allocate(length, 'float32');
      weights = inFlat(this.flat);
    }
    let gradients: Float32Array[];
    const viewsOver = (array: Float32Array, startOf: (unit: Unit) => number) => units.map((unit) => unit.places.map((place) => new ArrayTensor(array.subarray(startOf(unit) + place.start, startOf(unit) + place.start + place.length))));
    if (stage === 1) {
      const whole = await comm.allocate(length, 'float32');
      this.releases.push(holdArray(whole, 'gradients'));
      gradients = inFlat(whole);
      this.views = [viewsOver(whole, ({index}) => this.flatStarts[index])];
      this.scatters = this.openLane({kind: 'reduce', flat: whole, operation: 'reduceScatter', buckets: units.map((unit, i) => ({start: this.flatStarts[i], end: this.flatStarts[i] + unit.length}))}, 0);
    } else {
      const owned = ownArray('gradients');
      gradients = partsOf(owned);
      const buckets = [await comm.allocate(largest, 'float32'), await comm.allocate(largest, 'float32')];
      for (const bucket of buckets) this.releases.push(holdArray(bucket, 'communication'));
      this.views = buckets.map((bucket) => viewsOver(bucket, () => 0));
      this.scatters = this.openLane({kind: 'scatter', buffers: buckets, shards: owned, units: laneUnits}, 0);
    }
    this.shards = new Shards(bounds.map(({unit, start, end}, i): Shard => ({unit, start, end, weights: weights[i], gradients: gradients[i]})));
  }

  readonly halves: HalvesOf = (call) => (GlobalBatchNorm.is(call) ? this.norm : null);

  readonly hooks: StepHooks = {
    beforeStep: (step) => {
      this.step = step;
      this.touched.clear();
    },
    beforePart: async (part) => {
      this.part = part;
      this.scattered = [];
      this.missing = this.plan.units.map(({places}) => places.length);
      if (part.samples > 0) {
        this.gatherer?.begin(this.trainGatherings, this.step);
        return;
      }
      await this.absentPart();
    },
    beforeForward: (call) => this.gatherer?.need(call),
    afterForward: (call) => this.gatherer?.forwardOver(call),
    beforeForwardAgain: (call) => this.gatherer?.need(call),
    afterTape: (call, tape) => this.gatherer?.keep(call, tape),
    beforeBackward: (call) => this.gatherer?.need(call),
    afterBackward: async (call) => {
      this.gatherer?.passed(call);
      for (const unit of this.plan.units) await this.gradientsOf(unit, call);
      this.gatherer?.backwardOver(call);
    },
    afterGradients: async () => {
      this.recorder?.begin('wait', 'gradients');
      await this.scatters.wait();
      this.recorder?.end();
    },
    beforePredict: (call) => this.gatherer?.need(call),
    afterPredict: (call) => this.gatherer?.forwardOver(call),
    beforePrediction: () => this.gatherer?.begin(this.predictGatherings, this.step),
  };

  private get lastPart(): boolean {
    return this.part.index === this.part.count - 1;
  }

  /** What of a unit is final once `call` has been passed goes into its bucket, which leaves when it is full. */
  private async gradientsOf(unit: Unit, call: LayerCall): Promise<void> {
    if (call.index < unit.first) return;
    const ready = unit.contiguous ? unit.places.filter(({firstUse}) => firstUse === call.index) : call.index === unit.first ? unit.places : [];
    if (ready.length === 0) return;
    const bucket = this.stage === 1 ? 0 : this.scattered.length % 2;
    // The bucket before the last must have left.
    if (this.stage > 1 && this.scattered.length > 1) await this.scatters.wait(this.scattered[this.scattered.length - 2]);
    for (const place of ready) this.fill(unit, place, bucket);
    this.missing[unit.index] -= ready.length;
    if (this.missing[unit.index] > 0) return;
    if (this.stage > 1) this.scattered.push(this.scatters.start(scatterOrder(unit.index, bucket, false, this.part.index > 0), this.step));
    else if (this.lastPart) this.scattered.push(this.scatters.start(unit.index, this.step));
  }

  private fill(unit: Unit, place: UnitPlace, bucket: number): void {
    const {entry} = place;
    const view = this.views[bucket][unit.index][unit.places.indexOf(place)];
    const adds = this.stage === 1 && this.touched.has(place);
    if (entry.gradient && adds) addScaled(view.values, entry.gradient.dataSync() as Float32Array, 1);
    else if (entry.gradient) view.fill(entry.gradient);
    else if (!adds) view.values.fill(0);
    entry.gradient?.dispose();
    entry.gradient = null;
    this.touched.add(place);
  }

  /** A rank without samples of a micro-batch: the same collectives as the others, in the same order. */
  private async absentPart(): Promise<void> {
    this.gatherer?.absent(this.trainGatherings, this.step);
    const order = [...this.plan.units].sort((a, b) => b.first - a.first);
    for (const [i, unit] of order.entries()) {
      if (this.stage > 1) this.scattered.push(this.scatters.start(scatterOrder(unit.index, i % 2, true, this.part.index > 0), this.step));
      else {
        for (const place of unit.places) this.fill(unit, place, 0);
        if (this.lastPart) this.scattered.push(this.scatters.start(unit.index, this.step));
      }
    }
    if (this.norms.length > 0) await this.norm.absent(this.norms);
  }

  async absentPredict(): Promise<void> {
    this.gatherer?.absent(this.predictGatherings, this.step);
  }

  async apply(clipNorm: number | undefined): Promise<void> {
    let scale = 1;
    if (clipNorm !== undefined) {
      const {sums: [squares]} = await sumOverRanks(this.comm, [this.shards.squares()]);
      const norm = Math.sqrt(squares);
      if (norm > clipNorm) scale = clipNorm / norm;
    }
    this.shards.update(this.options.model.optimizer, scale);
    if (!this.weights) return;
    for (const [i, {length}] of this.plan.units.entries()) await this.comm.allGather(this.weights.flat.subarray(this.flatStarts[i], this.flatStarts[i] + length), {label: WEIGHTS});
    this.weights.refresh();
  }

  async sumValues(values: Values, penalty = 0): Promise<Values> {
    const {sums, brokenRanks} = await sumOverRanks(this.comm, [values[0] + penalty, ...values.slice(1)]);
    this.brokenRanks = brokenRanks;
    return sums;
  }

  async broken(): Promise<{gradient: string | null; ranks: number[]}> {
    const own = this.shards.broken();
    const place = own && own.unit.places.find(({start, length}) => own.at >= start && own.at < start + length);
    const first = await firstOf(this.comm, place ? this.entries.indexOf(place.entry) : null, 'broken gradient');
    return {gradient: first === null ? null : this.entries[first].name, ranks: this.brokenRanks};
  }

  save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    return this.exchange.save(this.entries, make);
  }

  dispose(): void {
    this.gatherer?.dispose();
    this.weights?.dispose();
    for (const view of this.views.flat(2)) view.dispose();
    this.shards?.dispose();
    for (const release of this.releases) release();
  }
}
