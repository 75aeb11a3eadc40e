/**
 * The messages between the caller of a training run and its workers.
 */
import type {ShapedArray} from '../base/arrays';
import type {SharedGroupHandle} from '../collectives/sharedMemory';
import type {LedgerLine} from '../collectives/types';
import type {Axis, MeshSizes} from '../mesh/mesh';
import type {PipelinePlan} from '../pipelineParallel/pipelineParallel';
import type {ModelDescription, OptimizerState} from '../model/description';
import type {ModelPart} from '../model/modelPart';
import type {OptimizerSettings} from '../model/optimizerState';
import type {LayerStates} from '../model/layerState';
import type {Span} from '../trace/spans';
import type {TensorPlan} from '../tensorParallel/tensorParallel';
import type {RegionHandle} from '../workers/sharedRegion';
import type {CheckedOptions} from '../config/checkOptions';
import type {Plan} from '../config/plan';
import type {PlacedData} from './placeData';
import type {MemoryUse} from '../memory/memoryUse';

/** The number of communication streams that the data axis may open. */
export const COMM_STREAMS = 2;

/** What every rank knows about the ranks that train together. */
export interface ParallelContext {
  mesh: MeshSizes;
  bucketBytes: number;
  /** The stage of ZeRO. */
  zero: 0 | 1 | 2 | 3;
  /** Null if the mesh has no pipeline axis. */
  pipeline: PipelinePlan | null;
  /** Null if the mesh has no tensor axis. */
  tensor: TensorPlan | null;
  /** Null if all ranks share one process. */
  groups: ProcessGroupHandles | null;
}

/** The process groups of a run. */
export interface ProcessGroupHandles {
  /** The group of all ranks. */
  world: SharedGroupHandle;
  /**
   * By axis, a group for each line of ranks, in the mesh's order. An axis with one rank or with all
   * ranks has no groups of its own.
   */
  axes: Partial<Record<Axis, SharedGroupHandle[]>>;
  /** For each line of ranks along the data axis, one group for each communication stream. */
  commStreams: SharedGroupHandle[][];
}

/** The options that a rank needs, and the plan's micro-batches and recompute. */
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
   * The weights and the optimizer's state, as `writeModel` arranges them. Only rank 0 has them; it
   * sends them to the other ranks.
   */
  weights: RegionHandle | null;
  data: PlacedData;
  validation: PlacedData | null;
  sampleWeight: ShapedArray | null;
  /** The states of stateful layers, in the order of the graph's layers. */
  layerStates: LayerStates;
  options: JobOptions;
  /** The callbacks for which the worker waits. */
  callbacks: CallbackName[];
  /** Where a callback requests the current weights; null if ranks must send them unasked. */
  requests: RegionHandle | null;
}

export type CallbackName = 'epochBegin' | 'epochEnd' | 'batchBegin' | 'batchEnd';
export type Logs = Record<string, number>;

export type TrainTell =
  | {type: 'begin'; samples: number; stepsPerEpoch: number; metrics: string[]}
  | {type: 'step'; epoch: number; step: number; samples: number; seconds: number; logs: Logs}
  | {type: 'epoch'; epoch: number; logs: Logs};

/** Asks the caller to call a callback. */
export interface TrainAsk {
  rank: number;
  callback: CallbackName;
  index: number;
  logs: Logs;
  /** The current weights, from rank 0; null if they were not sent. */
  model: ModelState | null;
  /** Whether the caller's weights are older: it requests the current ones if a callback reads any. */
  isStale: boolean;
  /** The optimizer's counter and its numbers and flags. */
  optimizer: Pick<OptimizerState, 'iterations' | 'fields'>;
}

/** What the callbacks changed; every rank gets the same answer and applies it before it goes on. */
export interface TrainAnswer {
  stop: boolean;
  /** By index in the description's `trainable`, whether fit trains the weight from now on. */
  trainable?: boolean[];
  optimizer?: OptimizerSettings;
  /** Weights, and the optimizer's state if it was replaced, as `writeModel` arranges them. */
  model?: {region: RegionHandle; part: ModelPart};
  /** The states of stateful layers, if a callback has changed them (`resetStates`). */
  layerStates?: LayerStates;
}

/** A trained model, in the region of rank 0. */
export interface ModelState {
  region: RegionHandle;
  optimizerState: OptimizerState;
  layerStates: LayerStates;
}

/** The jobs of all ranks, for one process; used if processes cannot share memory. */
export interface InProcessJob {
  jobs: TrainJob[];
  timeoutMs: number;
}

export interface TrainDone {
  /** Null on all ranks except rank 0. */
  model: ModelState | null;
  spans: Span[];
  memory: MemoryUse;
  traffic: LedgerLine[];
  /** The number of samples that this rank processed. */
  samples: number;
}
