/**
 * Worker side. Data parallelism (synchronous SGD): every rank holds a replica, walks its share of each batch, and applies the
 * gradient of the whole batch. Each rank's gradient is already weighted by its share of the samples, so the sum over ranks is the mean.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {ArrayTensor} from '../devices/arrayTensor';
import {holdArray} from '../memory';
import type {LayerCall} from '../step/graph';
import type {HalvesOf, PartInfo, StepHooks, WeightGradient} from '../step/hooks';
import type {Values} from '../step/objective';
import type {RankStrategy} from '../step/strategy';
import type {Stepper} from '../step/trainStep';
import type {SpanRecorder} from '../trace/spans';
import {GlobalBatchNorm} from './batchNorm';
import type {Lane} from './lane';
import type {LaneWork} from './laneWork';
import {firstOf, sumOverRanks} from './sumValues';
import {planBuckets, type BucketPlan, type Place} from './buckets';
import {DividedUpdate, plainSgd} from './dividedUpdate';

/** Opens a lane for a kind of work; `which` numbers a strategy's lanes from 0. */
export type OpenLane = (work: LaneWork, which?: number) => Lane;

/** What of a compiled model decides how its update can be made. */
export interface Updated {
  optimizer: tf.Optimizer;
  clipNorm: number | undefined;
}

export class DataParallel implements RankStrategy {
  readonly divides = false;
  private plan!: BucketPlan;
  private flat!: Float32Array;
  private lane!: Lane;
  private divided: DividedUpdate | null = null;
  private readonly views = new Map<Place, ArrayTensor>();
  private norms: LayerCall[] = [];
  private readonly norm: GlobalBatchNorm;
  private part: PartInfo = {index: 0, count: 1, samples: 0, share: 0};
  private missing: number[] = [];
  private left = 0;
  private step = 0;
  private release = () => {};
  private readonly filled = new Set<Place>();
  /** The ranks whose own loss of this step is no number. */
  private brokenRanks: number[] = [];

  constructor(private readonly comm: Communicator, private readonly openLane: OpenLane, private readonly bucketBytes: number, private readonly recorder: SpanRecorder | null, private readonly updated: Updated) {
    this.norm = new GlobalBatchNorm(comm);
  }

  /** Once the model's graph is known, before the first step. */
  async open({graph, gradients: sum, objective}: Stepper): Promise<void> {
    const {optimizer, clipNorm} = this.updated;
    const wholeGradient = clipNorm !== undefined || objective.penalizes;
    sum.category = 'communication';
    this.plan = planBuckets(graph, sum, this.bucketBytes);
    this.norms = graph.calls.filter(GlobalBatchNorm.is);
    const sgd = wholeGradient ? null : plainSgd(optimizer);
    if (sgd) this.divided = new DividedUpdate(this.comm, this.plan, (await this.comm.allocate(this.plan.length, 'float32')), sgd);
    // All ranks do the same, so one whose engine keeps its own copies of the weights decides for all.
    const against = new Int32Array([Number(!this.divided?.worthwhile)]);
    await this.comm.allReduce(against, {op: 'max', label: 'kind of update'});
    if (against[0]) {
      this.divided?.dispose();
      this.divided = null;
    }
    this.flat = await this.comm.allocate(this.plan.length, 'float32');
    this.lane = this.openLane({kind: 'reduce', flat: this.flat, buckets: this.plan.buckets, operation: this.divided ? 'reduceScatter' : 'allReduce'});
    this.release = holdArray(this.flat, 'gradients');
    for (const {places} of this.plan.buckets) {
      for (const place of places) this.views.set(place, new ArrayTensor(this.flat.subarray(place.start, place.start + place.length)));
    }
  }

  readonly halves: HalvesOf = (call) => (GlobalBatchNorm.is(call) ? this.norm : null);

  readonly hooks: StepHooks = {
    beforeStep: (step) => {
      this.step = step;
      this.left = 0;
      this.filled.clear();
      this.missing = this.plan.buckets.map((bucket) => bucket.places.length);
    },
    beforePart: async (part) => {
      this.part = part;
      if (part.samples === 0 && this.norms.length > 0) await this.norm.absent(this.norms);
    },
    afterBackward: (call) => {
      if (this.part.index < this.part.count - 1) return;
      for (const place of this.plan.finalAt.get(call.index) ?? []) this.fill(place);
      this.leave();
    },
    afterGradients: async (entries) => {
      // What this rank's last micro-batch, being empty, did not pass.
      for (const {places} of this.plan.buckets) for (const place of places) if (!this.filled.has(place)) this.fill(place);
      this.leave();
      this.recorder?.begin('wait', 'gradients');
      await this.lane.wait();
      this.recorder?.end();
      if (!this.divided) this.takeBack(entries);
    },
    beforeUpdate: async () => this.divided?.update(this.flat),
  };

  async broken(): Promise<{gradient: string | null; ranks: number[]}> {
    const places = [...this.views];
    const own = places.findIndex(([, {values}]) => values.some((value) => !Number.isFinite(value)));
    const first = await firstOf(this.comm, own < 0 ? null : own, 'broken gradient');
    return {gradient: first === null ? null : places[first][0].entry.name, ranks: this.brokenRanks};
  }

  private fill(place: Place): void {
    const {entry} = place;
    const view = this.views.get(place)!;
    if (entry.gradient) view.fill(entry.gradient);
    else view.values.fill(0);
    entry.gradient?.dispose();
    entry.gradient = null;
    this.filled.add(place);
    this.missing[place.bucket] -= 1;
  }

  /** Buckets leave in one order on every rank, whichever is complete first. */
  private leave(): void {
    while (this.left < this.missing.length && this.missing[this.left] === 0) {
      this.lane.start(this.left, this.step);
      this.left += 1;
    }
  }

  private takeBack(entries: WeightGradient[]): void {
    const place = new Map([...this.views.keys()].map((one) => [one.entry, one]));
    // The step is over before the buffer is filled again.
    for (const entry of entries) entry.gradient = this.views.get(place.get(entry)!)!.tensor(entry.variable.shape);
  }

  /** The sum over ranks of each rank's loss and metrics. */
  readonly sumValues = async (values: Values): Promise<Values> => {
    const {sums, brokenRanks} = await sumOverRanks(this.comm, values);
    this.brokenRanks = brokenRanks;
    return sums;
  };

  /** After the model's weights are gone. */
  dispose(): void {
    this.divided?.dispose();
    for (const view of this.views.values()) view.dispose();
    this.release();
  }
}
