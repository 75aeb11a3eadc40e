/**
 * Data parallelism (synchronous SGD): every rank holds a replica, walks its share of
 * each batch, and applies the gradient of the whole batch. Each rank's gradient is already weighted
 * by its share of the samples, so the sum over ranks is the mean.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {ArrayTensor} from '../devices/arrayTensor';
import {holdArray} from '../memory';
import type {CommunicatingLayerOf, PartInfo, StepHooks, WeightGradient} from '../step/hooks';
import {replicatedStorage} from '../step/parameterStorage';
import type {DataAxis, DataContext} from '../step/strategy';
import type {SpanRecorder} from '../trace/spans';
import {GlobalBatchNorm} from './batchNorm';
import type {CommStream} from './commStream';
import type {CommWork} from './commWork';
import {planBuckets, type BucketPlan, type Place} from './buckets';
import {DividedUpdate, plainSgd} from './dividedUpdate';

/** Opens a lane for a kind of work; `which` numbers a strategy's lanes from 0. */
export type OpenLane = (work: CommWork, which?: number) => CommStream;

/** What of a compiled model decides how its update can be made. */
export interface Updated {
  optimizer: tf.Optimizer;
  globalClipNorm: number | undefined;
}

export class DataParallel implements DataAxis {
  private plan: BucketPlan = {length: 0, buckets: [], finalAt: new Map()};
  private flat!: Float32Array;
  private lane: CommStream | null = null;
  private divided: DividedUpdate | null = null;
  private readonly views = new Map<Place, ArrayTensor>();
  private readonly norm: GlobalBatchNorm;
  private part: PartInfo = {index: 0, count: 1, samples: 0, share: 0, last: true};
  private late: DataContext['completedLater'] = () => false;
  private missing: number[] = [];
  private left = 0;
  private step = 0;
  private release = () => {};
  private readonly filled = new Set<Place>();

  constructor(
    private readonly comm: Communicator,
    private readonly openLane: OpenLane,
    private readonly bucketBytes: number,
    private readonly recorder: SpanRecorder | null,
    private readonly updated: Updated,
  ) {
    this.norm = new GlobalBatchNorm(comm);
  }

  async open({
    stepper: {graph, gradients: sum, objective},
    runs,
    completedLater: late,
    load,
  }: DataContext): Promise<void> {
    await load(replicatedStorage(sum.entries));
    this.late = late;
    // A stage of a pipeline may have no weights.
    if (sum.entries.length === 0) return;
    const {optimizer, globalClipNorm} = this.updated;
    const wholeGradient = globalClipNorm !== undefined || objective.penalizes;
    sum.category = 'communication';
    this.plan = planBuckets({...graph, calls: runs.flat()}, sum, this.bucketBytes);
    const sgd = wholeGradient ? null : plainSgd(optimizer);
    if (sgd)
      this.divided = new DividedUpdate(
        this.comm,
        this.plan,
        await this.comm.allocate(this.plan.length, 'float32'),
        sgd,
      );
    // All ranks do the same, so one whose engine keeps its own copies of the weights decides for
    // all.
    const against = new Int32Array([Number(!this.divided?.worthwhile)]);
    await this.comm.allReduce(against, {op: 'max', label: 'kind of update'});
    if (against[0]) {
      this.divided?.dispose();
      this.divided = null;
    }
    this.flat = await this.comm.allocate(this.plan.length, 'float32');
    this.lane = this.openLane({
      kind: 'reduce',
      flat: this.flat,
      buckets: this.plan.buckets,
      operation: this.divided ? 'reduceScatter' : 'allReduce',
    });
    this.release = holdArray(this.flat, 'gradients');
    for (const {places} of this.plan.buckets) {
      for (const place of places)
        this.views.set(
          place,
          new ArrayTensor(this.flat.subarray(place.start, place.start + place.length)),
        );
    }
  }

  readonly communicatingLayer: CommunicatingLayerOf = (call) =>
    GlobalBatchNorm.is(call) ? this.norm : null;

  readonly hooks: StepHooks = {
    beforeStep: (step) => {
      this.step = step;
      this.left = 0;
      this.filled.clear();
      this.missing = this.plan.buckets.map((bucket) => bucket.places.length);
    },
    beforePart: (part) => {
      this.part = part;
    },
    emptyRank: (direction, calls) => this.norm.absent(direction, calls),
    afterBackward: (call) => {
      if (!this.part.last) return;
      for (const place of this.plan.finalAt.get(call.index) ?? [])
        if (!this.late(place.entry.variable)) this.fill(place);
      this.leave();
    },
    afterGradients: async (entries) => {
      // What this rank's last micro-batch, being empty, did not pass, and what other axes have
      // completed.
      for (const {places} of this.plan.buckets)
        for (const place of places) if (!this.filled.has(place)) this.fill(place);
      this.leave();
      this.recorder?.begin('wait', 'gradients');
      await this.lane?.wait();
      this.recorder?.end();
      if (!this.divided) this.takeBack(entries);
    },
    beforeUpdate: async () => this.divided?.update(this.flat),
  };

  firstNonFinite(): WeightGradient | undefined {
    return [...this.views].find(([, {values}]) =>
      values.some((value) => !Number.isFinite(value)),
    )?.[0].entry;
  }

  async emptyRankPredict(): Promise<void> {}

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
      this.lane!.start(this.left, this.step);
      this.left += 1;
    }
  }

  private takeBack(entries: WeightGradient[]): void {
    const place = new Map([...this.views.keys()].map((one) => [one.entry, one]));
    // The step is over before the buffer is filled again.
    for (const entry of entries)
      entry.gradient = this.views.get(place.get(entry)!)!.tensor(entry.variable.shape);
  }

  dispose(): void {
    this.divided?.dispose();
    for (const view of this.views.values()) view.dispose();
    this.release();
  }
}
