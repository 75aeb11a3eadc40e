/**
 * What the caller of a training run and its worker say to each other.
 */
import type {SharedGroupHandle} from '../collectives/sharedMemory';
import type {LedgerLine} from '../collectives/types';
import type {Axis, MeshSizes} from '../mesh/mesh';
import type {PipelinePlan} from '../pipelineParallel/pipelineParallel';
import type {ModelDescription, OptimizerState} from '../model/description';
import type {Span} from '../trace/spans';
import type {TensorPlan} from '../tensorParallel/tensorParallel';
import type {RegionHandle} from '../workers/sharedRegion';
import type {CheckedOptions} from '../config/checkOptions';
import type {Plan} from '../config/plan';
import type {PlacedData} from './placeData';
import type {MemoryUse} from '../memory/memoryUse';

/** How many communication streams the data axis may open. */
export const COMM_STREAMS = 2;

/** The ranks that train together. */
export interface ParallelContext {
  mesh: MeshSizes;
  bucketBytes: number;
  /** The stage of ZeRO. */
  zero: 0 | 1 | 2 | 3;
  /** Null where the ranks are no pipeline. */
  pipeline: PipelinePlan | null;
  /** Null where no weight is divided. */
  tensor: TensorPlan | null;
  /** Null where all ranks share one process. */
  groups: ProcessGroupHandles | null;
}

/** The groups of a team of processes. */
export interface ProcessGroupHandles {
  /** Of all ranks. */
  world: SharedGroupHandle;
  /**
   * By axis of which there is more than one rank, and less than all, a group for each line of
   * ranks, in the mesh's order.
   */
  axes: Partial<Record<Axis, SharedGroupHandle[]>>;
  /** For each line of the data axis, one for each lane that its ranks' helper threads may open. */
  commStreams: SharedGroupHandle[][];
}

/** The options that a rank needs; the plan's micro-batches and recompute among them. */
export type JobOptions = Pick<
  CheckedOptions,
  | 'epochs'
  | 'batchSize'
  | 'shuffle'
  | 'validationSplit'
  | 'initialEpoch'
  | 'classWeight'
  | 'seed'
  | 'globalClipNorm'
  | 'memoryLimit'
  | 'trace'
> &
  Pick<Plan, 'microBatches' | 'recompute'>;

export interface TrainJob {
  rank: number;
  /** Null on one device. */
  parallel: ParallelContext | null;
  model: ModelDescription;
  /**
   * The weights and the optimizer's state, as `writeModel` lays them out; rank 0's, from which the
   * others get them.
   */
  weights: RegionHandle | null;
  data: PlacedData;
  validation: PlacedData | null;
  sampleWeight: Float32Array | null;
  options: JobOptions;
  /** The callbacks for which the worker waits. */
  callbacks: CallbackName[];
}

export type CallbackName = 'epochBegin' | 'epochEnd' | 'batchBegin' | 'batchEnd';
export type Logs = Record<string, number>;

export type TrainTell =
  | {type: 'begin'; samples: number; stepsPerEpoch: number; metrics: string[]}
  | {type: 'step'; epoch: number; step: number; samples: number; seconds: number; logs: Logs}
  | {type: 'epoch'; epoch: number; logs: Logs};

/** A callback of the caller's; `model` is there where it gets fresh weights first. */
export interface TrainAsk {
  rank: number;
  callback: CallbackName;
  index: number;
  logs: Logs;
  model: ModelState | null;
}

export interface TrainAnswer {
  stop: boolean;
}

/** A trained model: its bytes in the worker's region. */
export interface ModelState {
  region: RegionHandle;
  optimizerState: OptimizerState;
}

/** All ranks' jobs for one process, where processes cannot share memory. */
export interface InProcessJob {
  jobs: TrainJob[];
  timeoutMs: number;
}

export interface TrainDone {
  /** Rank 0's; every rank holds the same. */
  model: ModelState | null;
  spans: Span[];
  memory: MemoryUse;
  traffic: LedgerLine[];
  /** Samples that this rank walked. */
  samples: number;
}
