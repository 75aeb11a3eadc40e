/**
 * Worker side. Data parallelism (synchronous SGD): every rank holds a replica, walks its share of each batch, and applies the
 * gradient of the whole batch. Each rank's gradient is already weighted by its share of the samples, so the sum over ranks is the mean.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import type {Graph, LayerCall} from '../step/graph';
import type {GradientSum} from '../step/gradientSum';
import type {HalvesOf, PartInfo, StepHooks, WeightGradient} from '../step/hooks';
import type {Values} from '../step/objective';
import type {SpanRecorder} from '../trace/spans';
import {GlobalBatchNorm} from './batchNorm';
import type {BucketLane, LaneReport} from './bucketLane';
import {planBuckets, type Bucket, type BucketPlan, type Place} from './buckets';

/** Makes the flat gradient buffer and the lane that reduces its buckets. */
export type OpenLane = (length: number, buckets: Bucket[]) => Promise<{flat: Float32Array; lane: BucketLane}>;

export class DataParallel {
  private plan!: BucketPlan;
  private flat!: Float32Array;
  private lane!: BucketLane;
  private norms: LayerCall[] = [];
  private readonly norm: GlobalBatchNorm;
  private part: PartInfo = {index: 0, count: 1, samples: 0};
  private missing: number[] = [];
  private left = 0;
  private readonly filled = new Set<Place>();

  constructor(private readonly comm: Communicator, private readonly openLane: OpenLane, private readonly bucketBytes: number, private readonly recorder: SpanRecorder | null) {
    this.norm = new GlobalBatchNorm(comm);
  }

  /** Once the model's graph is known, before the first step. */
  async open(graph: Graph, sum: GradientSum): Promise<void> {
    this.plan = planBuckets(graph, sum, this.bucketBytes);
    this.norms = graph.calls.filter(GlobalBatchNorm.is);
    ({flat: this.flat, lane: this.lane} = await this.openLane(this.plan.length, this.plan.buckets));
  }

  readonly halves: HalvesOf = (call) => (GlobalBatchNorm.is(call) ? this.norm : null);

  readonly hooks: StepHooks = {
    beforeStep: () => {
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
      this.takeBack(entries);
    },
  };

  private fill(place: Place): void {
    const {entry, start, length} = place;
    const part = this.flat.subarray(start, start + length);
    if (entry.gradient) part.set(entry.gradient.dataSync() as Float32Array);
    else part.fill(0);
    entry.gradient?.dispose();
    entry.gradient = null;
    this.filled.add(place);
    this.missing[place.bucket] -= 1;
  }

  /** Buckets leave in one order on every rank, whichever is complete first. */
  private leave(): void {
    while (this.left < this.missing.length && this.missing[this.left] === 0) {
      this.lane.start();
      this.left += 1;
    }
  }

  private takeBack(entries: WeightGradient[]): void {
    const place = new Map(this.plan.buckets.flatMap(({places}) => places.map((one) => [one.entry, one] as const)));
    for (const entry of entries) {
      const {start, length} = place.get(entry)!;
      // The engine reads the buffer itself; the step is over before it is filled again.
      entry.gradient = tf.tensor(this.flat.subarray(start, start + length), entry.variable.shape, 'float32');
    }
  }

  /** The sum over ranks of each rank's loss and metrics, in double precision and rank order: the same bits everywhere. */
  readonly sumValues = async (values: Values): Promise<Values> => {
    const {rank, size} = this.comm;
    const all = new Float64Array(values.length * size);
    all.set(values, rank * values.length);
    await this.comm.allGather(new Int32Array(all.buffer), {label: 'metrics'});
    return values.map((_, i) => {
      let sum = 0;
      for (let r = 0; r < size; r++) sum += all[r * values.length + i];
      return sum;
    });
  };

  async finish(): Promise<LaneReport> {
    return this.lane.finish();
  }
}
