/**
 * A spec: a transformer, the machine and the batch that `planSpec` plans for, in
 * numbers alone; and the plan's rows.
 */
import type {Recipe, TransformerSizes} from '../memoryEstimate/formulas';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';

/**
 * What of the activations is computed again in the backward pass: nothing, the attention's scores,
 * or every layer from its input.
 */
export type SpecRecompute = 'none' | 'selective' | 'full';

/** The machine of a spec. Its nodes hold consecutive devices. */
export interface SpecMachine {
  /** Devices in all, n; all of them are used. */
  devices: number;
  /** Devices of a node; as many as there are, or more, is one node. */
  devicesPerNode: number;
  /** Memory of a device, in bytes. */
  memoryBytes: number;
  /** Peak floating-point operations a second of a device, in the spec's precision. */
  flopsPerSecond: number;
  /**
   * Share of that peak that the layers' own arithmetic reaches, above 0 to 1; waiting and messages
   * are counted apart. @default 0.5
   */
  efficiency?: number;
  /** Bytes a second that a device sends to another in its node, one direction. */
  nodeBandwidth: number;
  /** Bytes a second that a device sends to another node, one direction. */
  networkBandwidth: number;
  /** Seconds that a message takes besides its bytes, α. @default 0 */
  latency?: number;
}

/** One way to train: how the devices are arranged, and what is divided, cut or computed again. */
export interface SpecChoice {
  /** Devices that each hold other samples, d. */
  data: number;
  /** Devices that share each layer, t. */
  tensor: number;
  /** Stages' devices, p. */
  pipeline: number;
  /** Samples of a micro-batch, b. */
  microBatch: number;
  /** The stage of ZeRO over the data axis. */
  zero: 0 | 1 | 2 | 3;
  recompute: SpecRecompute;
  /** Whether what tensor parallelism leaves whole is divided along the sequence. */
  sequenceParallel: boolean;
  /** Stages a device, v. */
  stagesPerRank: number;
  /** The pipeline's order; on one stage '1f1b' is plain accumulation. */
  schedule: ScheduleName;
}

/** What `planSpec` plans for. */
export interface TransformerSpec {
  /** The model's sizes, or its number of parameters alone: activations and times are null then. */
  model: TransformerSizes | {parameters: number};
  machine: SpecMachine;
  /** Samples of a step, over all devices, B. */
  batchSize: number;
  /**
   * Adam's 16 bytes a parameter as 2 + 2 + 12 ('mixed') or 4 + 4 + 8; activations take 2 or 4 bytes
   * a number.
   */
  precision: 'mixed' | 'float32';
  /** Bytes a parameter, in the precision's place. */
  recipe?: Recipe;
  /**
   * Choices that are made already. What is left out is tried, but: `sequenceParallel` is false,
   * `stagesPerRank` 1 (2 with 'interleaved-1f1b'), `schedule` '1f1b' ('interleaved-1f1b' with more
   * stagesPerRank).
   */
  fixed?: Partial<SpecChoice>;
}

/**
 * One choice and what it comes to. What needs the model's sizes is null where the spec has none.
 */
export interface SpecRow {
  mesh: Pick<SpecChoice, 'data' | 'tensor' | 'pipeline'>;
  /** Samples of a micro-batch, b. */
  microBatch: number;
  /** Micro-batches of a step on each device, m. */
  microBatches: number;
  /** The stage of ZeRO, over the data axis. */
  zero: 0 | 1 | 2 | 3;
  recompute: SpecRecompute;
  sequenceParallel: boolean;
  /** Stages a device, v. */
  stagesPerRank: number;
  schedule: ScheduleName;
  /** Bytes on the fullest device. */
  memory: Recipe & {activations: number | null; total: number};
  /** Whether the total is within the device's memory; state alone where activations are null. */
  fits: boolean;
  stepSeconds: number | null;
  /** Floating-point operations of a step over all devices, with what is computed again. */
  hardwareFlops: number | null;
  /**
   * Model FLOPs utilization: the model's operations over what all devices could do in a step's time
   * at their peak.
   */
  mfu: number | null;
  /** The share of the total time that the schedule leaves a device idle. */
  bubble: number;
  /** Bytes that the busiest device sends in a step, by axis of the mesh. */
  traffic: {tensor: number | null; pipeline: number | null; data: number};
  /** The verdict and why, in a sentence. */
  reason: string;
}

/** What `planSpec` answers. */
export interface SpecPlan {
  /** The model's parameters, P. */
  parameters: number;
  /**
   * Floating-point operations of a step that the model needs, nothing computed again; null without
   * its sizes.
   */
  flopsPerStep: number | null;
  /** Best first; what does not fit comes after, the nearest first. */
  rows: SpecRow[];
}

/** A spec that was checked, its defaults filled in. */
export interface CheckedSpec extends TransformerSpec {
  /** The sizes, where the spec has them. */
  sizes: Required<TransformerSizes> | null;
  machine: Required<SpecMachine>;
  recipe: Recipe;
  fixed: Partial<SpecChoice> & Pick<SpecChoice, 'sequenceParallel' | 'stagesPerRank' | 'schedule'>;
}
