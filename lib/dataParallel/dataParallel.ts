/**
 * Data parallelism (synchronous SGD): every rank holds a replica, runs the model on its share of
 * each batch, and applies the gradient of the whole batch. Each rank's gradient is weighted by its
 * share of the samples, so the sum over ranks is the mean.
 */
import type * as tf from '@tensorflow/tfjs';
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
import {planBuckets, type BucketPlan, type BucketSlice} from './buckets';
import {DividedUpdate, plainSgd} from './dividedUpdate';

/** Opens a communication stream for a kind of work; `which` numbers a strategy's streams from 0. */
export type OpenCommStream = (work: CommWork, which?: number) => CommStream;

/** The settings of a compiled model that decide how its weights can be updated. */
export interface UpdateSettings {
  optimizer: tf.Optimizer;
  globalClipNorm: number | undefined;
}

export class DataParallel implements DataAxis {
  private plan: BucketPlan = {length: 0, buckets: [], finalAt: new Map()};
  private flat!: Float32Array;
  private stream: CommStream | null = null;
  private divided: DividedUpdate | null = null;
  private readonly views = new Map<BucketSlice, ArrayTensor>();
  private readonly norm: GlobalBatchNorm;
  private part: PartInfo = {index: 0, count: 1, samples: 0, share: 0, last: true};
  private late: DataContext['completedLater'] = () => false;
  /** By bucket, how many gradients are still missing. */
  private missing: number[] = [];
  /** How many buckets have been sent in this step. */
  private sent = 0;
  private step = 0;
  private release = () => {};
  private readonly filled = new Set<BucketSlice>();

  constructor(
    private readonly comm: Communicator,
    private readonly openStream: OpenCommStream,
    private readonly bucketBytes: number,
    private readonly recorder: SpanRecorder | null,
    private readonly settings: UpdateSettings,
  ) {
    this.norm = new GlobalBatchNorm(comm);
  }

  async open({
    stepper: {graph, gradients: sum, objective},
    runs,
    completedLater: late,
    load,
  }: DataContext): Promise<void> {
    const storage = replicatedStorage(sum.entries);
    await load({
      ...storage,
      load: (variable, values, dtype) => {
        const flat = this.divided?.weights.valuesOf(variable);
        if (flat) flat.set(values);
        else storage.load(variable, values, dtype);
      },
      loaded: () => this.divided?.weights.refresh(),
    });
    this.late = late;
    // A stage of a pipeline may have no weights.
    if (sum.entries.length === 0) return;
    const {optimizer, globalClipNorm} = this.settings;
    // Clipping and penalties need the whole gradient on every rank.
    const needsWholeGradient = globalClipNorm !== undefined || objective.penalizes;
    sum.category = 'communication';
    this.plan = planBuckets({...graph, calls: runs.flat()}, sum, this.bucketBytes);
    const sgd = needsWholeGradient ? null : plainSgd(optimizer);
    if (sgd)
      this.divided = new DividedUpdate(
        this.comm,
        this.plan,
        await this.comm.allocate(this.plan.length, 'float32'),
        sgd,
      );
    // All ranks must use the same update: if it is not worthwhile on one rank, no rank divides it.
    const refusals = new Int32Array([Number(!this.divided?.worthwhile)]);
    await this.comm.allReduce(refusals, {op: 'max', label: 'kind of update'});
    if (refusals[0]) {
      this.divided?.dispose();
      this.divided = null;
    }
    this.flat = await this.comm.allocate(this.plan.length, 'float32');
    this.stream = this.openStream({
      kind: 'reduce',
      flat: this.flat,
      buckets: this.plan.buckets,
      operation: this.divided ? 'reduceScatter' : 'allReduce',
    });
    this.release = holdArray(this.flat, 'gradients');
    for (const slice of this.plan.buckets.flatMap(({slices}) => slices)) {
      const {start, length} = slice;
      this.views.set(slice, new ArrayTensor(this.flat.subarray(start, start + length)));
    }
  }

  readonly communicatingLayer: CommunicatingLayerOf = (call) =>
    GlobalBatchNorm.is(call) ? this.norm : null;

  readonly hooks: StepHooks = {
    beforeStep: (step) => {
      this.step = step;
      this.sent = 0;
      this.filled.clear();
      this.missing = this.plan.buckets.map((bucket) => bucket.slices.length);
    },
    beforePart: (part) => {
      this.part = part;
    },
    emptyRank: (direction, calls) => this.norm.emptyRank(direction, calls),
    afterBackward: (call) => {
      if (!this.part.last) return;
      for (const slice of this.plan.finalAt.get(call.index) ?? [])
        if (!this.late(slice.entry.variable)) this.fill(slice);
      this.sendFullBuckets();
    },
    afterGradients: async (entries) => {
      // Gradients that other axes have just completed, or all gradients if this rank's last
      // micro-batch was empty.
      for (const {slices} of this.plan.buckets)
        for (const slice of slices) if (!this.filled.has(slice)) this.fill(slice);
      this.sendFullBuckets();
      this.recorder?.begin('wait', 'gradients');
      await this.stream?.wait();
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

  /** Moves a gradient into the flat buffer. */
  private fill(slice: BucketSlice): void {
    const {entry} = slice;
    const view = this.views.get(slice)!;
    if (entry.gradient) view.fill(entry.gradient);
    else view.values.fill(0);
    entry.gradient?.dispose();
    entry.gradient = null;
    this.filled.add(slice);
    this.missing[slice.bucket] -= 1;
  }

  /** Buckets are sent in the same order on every rank, whichever is full first. */
  private sendFullBuckets(): void {
    while (this.sent < this.missing.length && this.missing[this.sent] === 0) {
      this.stream!.start(this.sent, this.step);
      this.sent += 1;
    }
  }

  /** Gives the entries the summed gradients. */
  private takeBack(entries: WeightGradient[]): void {
    const viewOf = new Map([...this.views].map(([slice, view]) => [slice.entry, view]));
    // The step ends before the buffer is filled again.
    for (const entry of entries) entry.gradient = viewOf.get(entry)!.tensor(entry.variable.shape);
  }

  dispose(): void {
    this.divided?.dispose();
    for (const view of this.views.values()) view.dispose();
    this.release();
  }
}
