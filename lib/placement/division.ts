/**
 * Types for resolving a strategy: what is known before, and what is decided about a pipeline.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Plan, PlanOrigin} from '../config/plan';
import type {Graph} from '../model/graph';
import type {Schedule} from '../pipelineParallel/schedule';

/** A model and its graph, read once. */
export interface ModelContext {
  model: tf.LayersModel;
  graph: Graph;
}

/** The model, the batch size, and how the strategy was found. */
export interface DivisionContext extends ModelContext {
  /** The number of samples in a step. */
  batchSize: number;
  origin: PlanOrigin;
  /** The beginning of the plan's reason, such as 'as asked'. */
  because: string;
}

/** The part of a plan that concerns the pipeline. */
export interface ResolvedPipeline {
  schedule: Schedule;
  stagesPerRank: number;
  microBatches: number;
  splitAt: string[];
  /** Whether the number of micro-batches was chosen here and not by the caller. */
  choseMicroBatches: boolean;
  /** The unread messages that a channel between two stages must hold. */
  room: number;
}

/** A resolved strategy. */
export interface Division {
  plan: Plan;
  /** For a pipeline: the unread messages that a channel must hold; otherwise 0. */
  room: number;
}
