/**
 * The input of `planSpec`, a spec (a transformer, a machine and a batch, as numbers), and its output,
 * the rows of the plan.
 */
import type {Recipe, TransformerSizes} from '../memoryEstimate/formulas';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';

/**
 * What the backward pass recomputes: nothing, the attention scores, or every layer from its input.
 */
export type SpecRecompute = 'none' | 'selective' | 'full';

/** The machine of a spec. Each node holds consecutive devices. */
export interface SpecMachine {
  /** The number of devices, n; all of them are used. */
  devices: number;
  /** Devices of a node; `devices` or more means a single node. */
  devicesPerNode: number;
  /** Memory of a device, in bytes. */
  memoryBytes: number;
  /** Peak floating-point operations a second of a device, in the spec's precision. */
  flopsPerSecond: number;
  /**
   * The share of that peak that the layers' arithmetic reaches, above 0 and up to 1; waiting and
   * messages are counted separately. @default 0.5
   */
  efficiency?: number;
  /** Bytes a second that a device sends to another in its node, one direction. */
  nodeBandwidth: number;
  /** Bytes a second that a device sends to another node, one direction. */
  networkBandwidth: number;
  /** Seconds that a message takes in addition to the time of its bytes, α. @default 0 */
  latency?: number;
}

/** One way to train: how the devices are arranged, what is sharded, and what is recomputed. */
export interface SpecChoice {
  /** Replicas, each with its own samples, d. */
  data: number;
  /** Devices that share each layer, t. */
  tensor: number;
  /** Devices of a pipeline, p. */
  pipeline: number;
  /** Samples of a micro-batch, b. */
  microBatch: number;
  /** The stage of ZeRO over the data axis. */
  zero: 0 | 1 | 2 | 3;
  recompute: SpecRecompute;
  /** Whether activations that tensor parallelism replicates are sharded along the sequence. */
  sequenceParallel: boolean;
  /** Stages of each device, v. */
  stagesPerRank: number;
  /** The pipeline's schedule; on one stage '1f1b' is plain gradient accumulation. */
  schedule: ScheduleName;
}

/** What `planSpec` plans for. */
export interface TransformerSpec {
  /** The model's sizes, or only its number of parameters: activations and times are null then. */
  model: TransformerSizes | {parameters: number};
  machine: SpecMachine;
  /** Samples of a step, over all devices, B. */
  batchSize: number;
  /**
   * Adam's 16 bytes per parameter as 2 + 2 + 12 ('mixed') or 4 + 4 + 8 ('float32'); activations take
   * 2 or 4 bytes per number.
   */
  precision: 'mixed' | 'float32';
  /** Bytes per parameter. @default those of the precision */
  recipe?: Recipe;
  /**
   * Choices that are already made. The planner tries all values of those left out, except three that
   * have a default: `sequenceParallel` false, `stagesPerRank` 1 (2 with 'interleaved-1f1b') and
   * `schedule` '1f1b' ('interleaved-1f1b' with more stages per rank).
   */
  fixed?: Partial<SpecChoice>;
}

/** A choice as a row of the plan has it. */
export interface SpecStrategy extends Omit<SpecChoice, 'data' | 'tensor' | 'pipeline'> {
  mesh: Pick<SpecChoice, 'data' | 'tensor' | 'pipeline'>;
  /** Micro-batches of a step on each device, m. */
  microBatches: number;
}

/** What a step is predicted to take. Fields that need the model's sizes are null without them. */
export interface SpecPrediction {
  /** Bytes on the fullest device. */
  memory: Recipe & {activations: number | null; total: number};
  /** Whether the total is within the device's memory; state alone where activations are null. */
  fits: boolean;
  stepSeconds: number | null;
  /** Floating-point operations of a step over all devices, recomputation included. */
  hardwareFlops: number | null;
  /**
   * Model FLOPs utilization: the model's operations divided by what all devices could do in a step's
   * time at their peak.
   */
  mfu: number | null;
  /** The share of the total time in which the schedule leaves a device idle. */
  bubble: number;
  /** Bytes that the busiest device sends in a step, by axis of the mesh. */
  traffic: {tensor: number | null; pipeline: number | null; data: number};
}

/** One way to train the model, its predicted step, and the verdict. */
export interface SpecRow {
  strategy: SpecStrategy;
  prediction: SpecPrediction;
  /** The verdict and its cause, in a sentence. */
  reason: string;
}

/** What `planSpec` returns. */
export interface SpecPlan {
  /** The model's parameters, P. */
  parameters: number;
  /**
   * Floating-point operations that a step of the model needs, without recomputation; null without
   * the model's sizes.
   */
  flopsPerStep: number | null;
  /** Best first; rows that do not fit come last, those with the least memory first. */
  rows: SpecRow[];
}

/** A checked spec with its defaults. */
export interface CheckedSpec extends TransformerSpec {
  /** The model's sizes; null where the spec has only the number of parameters. */
  sizes: Required<TransformerSizes> | null;
  machine: Required<SpecMachine>;
  recipe: Recipe;
  fixed: Partial<SpecChoice> & Pick<SpecChoice, 'sequenceParallel' | 'stagesPerRank' | 'schedule'>;
}
