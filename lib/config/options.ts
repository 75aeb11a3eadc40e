/**
 * The options of `train` and `trainParallel`; options that fit has too keep fit's names.
 */
import type * as tf from '@tensorflow/tfjs';
import type {ArrayValues, Data, DataPart, ShapedArray} from '../base/arrays';
import type {Balance} from '../pipelineParallel/balance';
import type {Schedule} from '../pipelineParallel/schedule';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';
import type {Recompute} from '../model/segments';
import type {Layout} from '../tensorParallel/layout';
import type {ModuleReference} from '../model/describe';

/** The weight in the loss of each class's samples, by class number. */
export type ClassWeight = Record<number, number>;
/** Callbacks as in `model.fit`; each is called once per event, in the caller's process. */
export type Callbacks =
  | tf.CustomCallbackArgs
  | tf.CustomCallback
  | Array<tf.CustomCallbackArgs | tf.CustomCallback>;

/** The options of `train`: those of `model.fit`, and those that a run in a worker adds. */
export interface TrainOptions {
  /** The number of passes over the data; training ends before epoch number `epochs`. @default 1 */
  epochs?: number;
  /** The number of samples in one optimizer step. @default 32 */
  batchSize?: number;
  /** Whether to shuffle the samples before each epoch; `seed` fixes the order. @default true */
  shuffle?: boolean;
  /**
   * The share of the data to use for validation, at least 0 and below 1. It is taken from the end
   * of the data, before any shuffling. @default 0
   */
  validationSplit?: number;
  /**
   * The data for validation after each epoch: `{xs, ys}`, `{module}` (a module that opens the
   * data), or `[xs, ys]` as in fit. It replaces `validationSplit`.
   */
  validationData?: Data | [DataPart, DataPart];
  /** The number of the first epoch, for continuing an earlier run. @default 0 */
  initialEpoch?: number;
  /**
   * The weight in the loss of each class, as in fit, for outputs of shape [samples, classes]. For a
   * model with several outputs it is a list, or an object with the names of the outputs.
   */
  classWeight?: ClassWeight | ClassWeight[] | Record<string, ClassWeight>;
  /**
   * The weight in the loss of each sample: one number per sample, or, for outputs of shape
   * [samples, positions, ...], a tensor or rows of shape [samples, positions]. The loss is the mean
   * over all samples and positions of the loss times the weight. Metrics and validation take no
   * weights. fit has no such option yet.
   */
  sampleWeight?: ArrayValues | number[] | number[][] | tf.Tensor | ShapedArray;
  /**
   * Callbacks as in fit, called in this process. The model gets the current weights before the end
   * of each epoch and at the end of the run.
   */
  callbacks?: Callbacks;
  /** 0 shows nothing; 1, and 2 as in fit, show live progress. @default 1 */
  verbose?: 0 | 1 | 2;
  /**
   * How often a callback's `onYield` is called: a number of milliseconds, or 'auto' for 125 of them.
   * As in fit, 'batch' and 'epoch' do not call it, and 'never' refuses it. The rest of fit's meaning
   * does not apply: this process is free while workers train. @default 'auto'
   */
  yieldEvery?: number | 'auto' | 'batch' | 'epoch' | 'never';
  /**
   * The seed of the sample order and of what layers draw, such as dropout masks. By default a random seed is chosen; the
   * result's `record.seed` contains it.
   */
  seed?: number;
  /** 1, or a list with the id of one device: ['cuda:0'] or ['cpu']. @default 1 */
  devices?: number | string[];
  /** Threads of the engine on a CPU. @default all physical cores available to this process */
  threads?: number;
  /**
   * The number of micro-batches into which a batch is split. They run one after another, and their
   * gradients are summed before the update (gradient accumulation). @default 1
   */
  microBatches?: number;
  /**
   * What is recomputed in the backward pass, so that its activations need not be kept in memory
   * (activation checkpointing). 'block' recomputes every block of several layers; a list names
   * blocks and layers; 'stage', only in a pipeline, recomputes a whole stage from its input.
   * @default 'none'
   */
  recompute?: Recompute;
  /**
   * Scales the gradients down if the Euclidean norm of all gradients together exceeds this number.
   */
  globalClipNorm?: number;
  /**
   * The limit for the memory of all live tensors: a number of bytes, '256MB' (10^6 bytes each) or
   * '256MiB' (2^20 bytes each). A run that needs more fails with MEMORY_LIMIT. @default no limit
   */
  memoryLimit?: number | string;
  /**
   * Modules that the worker imports before it rebuilds the model: the URLs of modules that register
   * your own layers, or `{module, export}` for a loss or metric function.
   */
  modules?: ModuleReference[];
  /** How long a worker may be silent before the run fails, in milliseconds. @default no limit */
  silenceTimeoutMs?: number;
  /**
   * What the trace records: 'phases' (or true) the input, forward, backward and update of each
   * step, 'layers' each layer's forward and backward too, false nothing. A rank keeps its spans
   * until the run ends, about 0.14 kB each: use false for a run of hundreds of thousands of steps.
   * @default 'phases'
   */
  trace?: boolean | 'phases' | 'layers';
  /** The name of a file to which the run's record is written as JSON. */
  record?: string;
  /** A signal that stops the run, which then fails with ABORTED. */
  signal?: AbortSignal;
}

/** The names of strategies. 'auto' chooses one; the result's `plan` says which, and why. */
export type StrategyName =
  | 'auto'
  | 'dataParallel'
  | 'zero1'
  | 'zero2'
  | 'fsdp'
  | 'tensorParallel'
  | 'pipelineParallel';

/** The fields that every strategy object may have. */
export interface StrategyFields {
  /** The number of devices to use; the first ones are taken. @default all */
  devices?: number;
  /** The same as the option `microBatches`. */
  microBatches?: number;
  /** The same as the option `recompute`. */
  recompute?: Recompute;
  /**
   * For a pipeline: the name of a schedule, or a schedule with each rank's actions. @default '1f1b'
   */
  schedule?: ScheduleName | Schedule;
  /**
   * For a pipeline: the number of stages on each rank. More than 1 needs a schedule such as
   * 'interleaved-1f1b'. @default 2 for 'interleaved-1f1b', otherwise 1
   */
  stagesPerRank?: number;
  /**
   * For a pipeline: the names of the blocks or layers with which the second and later stages begin.
   */
  splitAt?: string[];
  /** For a pipeline without `splitAt`: what should be equal in all stages. @default 'computed' */
  balance?: Balance;
  /**
   * For tensor parallelism: maps layer-name patterns to rules. @default pairs of Dense layers,
   * attention heads, embeddings and convolutions
   */
  layout?: Layout;
  /**
   * For tensor parallelism: whether activations of shape [samples, positions, ...] are sharded by
   * position between the divided layers (Korthikanti et al. 2022). @default false
   */
  sequenceParallel?: boolean;
}

/**
 * How to divide the work: a name, or an object with `kind` (a name) or `mesh` (the number of ranks
 * on each axis; -1 stands for all remaining devices).
 */
export type Strategy =
  | StrategyName
  | ({kind: Exclude<StrategyName, 'auto'>} & StrategyFields)
  | ({
      mesh: {data?: number; tensor?: number; pipeline?: number};
      zero?: 0 | 1 | 2 | 3;
    } & StrategyFields);

/** The options of `trainParallel`: those of `train`, the devices, and how to divide the work. */
export interface TrainParallelOptions
  extends Omit<TrainOptions, 'devices' | 'threads' | 'silenceTimeoutMs'> {
  /**
   * The number of devices (the first n GPUs, or n CPU workers if there are fewer GPUs), or a list
   * of device ids, such as ['cuda:0', 'cuda:1']. @default 2
   */
  devices?: number | string[];
  /** Threads of each CPU worker's engine. @default 1 if there are several workers */
  threads?: number;
  /** How to divide the work among the devices. @default 'auto' */
  strategy?: Strategy;
  /**
   * The size of a gradient bucket, which is sent as a whole: a number of bytes, or text such as
   * '4MiB'. @default 4 MiB
   */
  bucketBytes?: number | string;
  /**
   * How long a rank waits in one collective before the run fails, in milliseconds. @default 30000
   */
  timeoutMs?: number;
}
