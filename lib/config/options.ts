/**
 * The options of `train` and `trainParallel`, in tfjs's own words.
 */
import type * as tf from '@tensorflow/tfjs';
import type {ArrayValues, Data, DataArray} from '../base/arrays';
import type {Balance} from '../pipelineParallel/balance';
import type {Schedule} from '../pipelineParallel/schedule';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';
import type {Recompute} from '../model/segments';
import type {Layout} from '../tensorParallel/layout';
import type {ModuleReference} from '../model/describe';

/** The weight of each class's samples in the loss, by class number; 1 for one that is not named. */
export type ClassWeight = Record<number, number>;
/** As `model.fit` takes them; called once an event, in the caller's process. */
export type Callbacks =
  | tf.CustomCallbackArgs
  | tf.CustomCallback
  | Array<tf.CustomCallbackArgs | tf.CustomCallback>;

/** `model.fit`'s own options, and what a run in a worker adds to them. */
export interface TrainOptions {
  /** Passes over the data. @default 1 */
  epochs?: number;
  /** Samples of one optimizer step. @default 32 */
  batchSize?: number;
  /**
   * Whether each epoch visits the samples in an order of its own, drawn from `seed`. @default true
   */
  shuffle?: boolean;
  /**
   * The last part of the data, before any shuffling, that is kept for validation: a share from 0 up
   * to 1. @default 0
   */
  validationSplit?: number;
  /** Data to validate on after each epoch: `{xs, ys}`, a described data set, or fit's `[x, y]`. */
  validationData?: Data | [DataArray | DataArray[], DataArray | DataArray[]];
  /** The first epoch's number, for a run that goes on. @default 0 */
  initialEpoch?: number;
  /** A weight for each class, as in fit. */
  classWeight?: ClassWeight | ClassWeight[] | Record<string, ClassWeight>;
  /** A weight for each sample: n numbers. */
  sampleWeight?: ArrayValues | number[] | tf.Tensor;
  /**
   * Called in this process, as in fit. The model's weights are up to date at the end of an epoch
   * and of the run.
   */
  callbacks?: Callbacks;
  /** 0: silent; 1: live progress. @default 1 */
  verbose?: 0 | 1;
  /**
   * Fixes the order of samples and the dropout masks. Without it one is drawn, and `record.seed`
   * tells it.
   */
  seed?: number;
  /** 1, or a list with one device: ['cuda:0'], ['cpu']. @default 1 */
  devices?: number | string[];
  /** Threads of the engine on a CPU. @default all physical cores that this process may use */
  threads?: number;
  /**
   * Parts in which a batch goes through the model, their gradients summed before the one update.
   * @default 1
   */
  microBatches?: number;
  /**
   * What is computed again before its backward, so that its activations need not be kept: 'block',
   * every block of several layers; or the names of blocks and layers; in a pipeline also 'stage',
   * all of it from its input. @default 'none'
   */
  recompute?: Recompute;
  /** The largest Euclidean norm of all gradients together. */
  globalClipNorm?: number;
  /** The most bytes of tensors alive at once: a number, or '256MB' (10^6) or '256MiB' (2^20). */
  memoryLimit?: number | string;
  /**
   * Modules that the worker imports before it rebuilds the model: layers of your own, losses as
   * `{module, export}`.
   */
  modules?: ModuleReference[];
  /** The longest that a worker may be silent, in milliseconds. @default no limit */
  silenceTimeoutMs?: number;
  /**
   * 'phases': forward, backward, update and input of each step; 'layers': each layer's too; false:
   * none. @default 'phases'
   */
  trace?: boolean | 'phases' | 'layers';
  /** A file to which the run's record is written as JSON. */
  record?: string;
  /** Stops the run. */
  signal?: AbortSignal;
}

/** The shorthands of a strategy; 'auto' chooses, and the result's `plan` says what and why. */
export type StrategyName =
  | 'auto'
  | 'dataParallel'
  | 'zero1'
  | 'zero2'
  | 'fsdp'
  | 'tensorParallel'
  | 'pipelineParallel';

/** What a strategy object may say besides how the devices are divided. */
export interface StrategyFields {
  /** How many of the devices it uses, the first ones. @default all */
  devices?: number;
  /** As the option of this name. */
  microBatches?: number;
  /** As the option of this name. */
  recompute?: Recompute;
  /** Of a pipeline: its name, or a list of actions a rank. @default '1f1b' */
  schedule?: ScheduleName | Schedule;
  /** Stages a rank of a pipeline; more than 1 with 'interleaved-1f1b'. @default 2 there, else 1 */
  stagesPerRank?: number;
  /** The blocks or layers with which a pipeline's later stages begin. */
  splitAt?: string[];
  /** By what the stages are made alike where `splitAt` is not given. @default 'computed' */
  balance?: Balance;
  /**
   * Of tensor parallelism: layer-name pattern to rule. @default Dense pairs, attention heads,
   * embeddings and convolutions
   */
  layout?: Layout;
  /**
   * Of tensor parallelism: between the divided layers each rank keeps its own positions of
   * [samples, positions, ...] (Korthikanti et al. 2022). @default false
   */
  sequenceParallel?: boolean;
}

/** Its shorthand, or the strategy object itself (-1 in a mesh: what is left over). */
export type Strategy =
  | StrategyName
  | ({kind: Exclude<StrategyName, 'auto'>} & StrategyFields)
  | ({
      mesh: {data?: number; tensor?: number; pipeline?: number};
      zero?: 0 | 1 | 2 | 3;
    } & StrategyFields);

/** `train`'s options for several devices: how many, and how the work is divided among them. */
export interface TrainParallelOptions
  extends Omit<TrainOptions, 'devices' | 'threads' | 'silenceTimeoutMs'> {
  /**
   * How many devices: the first n GPUs, or n CPU workers where there are fewer; or their ids, such
   * as ['cuda:0', 'cuda:0']. @default 2
   */
  devices?: number | string[];
  /** Threads of each CPU worker's engine. @default 1 where there are several */
  threads?: number;
  /** How the work is divided. @default 'auto' */
  strategy?: Strategy;
  /** Bytes of gradients that leave together: a number, or '4MiB'. @default 4 MiB */
  bucketBytes?: number | string;
  /** The longest that a rank waits in one collective, in milliseconds. @default 30000 */
  timeoutMs?: number;
}
