/**
 * What the resolution of a strategy starts from, and what it finds out about a pipeline.
 */
import type * as tf from '@tensorflow/tfjs';
import type {PlanOrigin} from '../config/plan';
import type {Graph} from '../model/graph';
import type {Schedule} from '../pipelineParallel/schedule';

/** A model and its graph, read once. */
export interface ModelContext {
  model: tf.LayersModel;
  graph: Graph;
}

/** How a strategy was found, and the step that it is for. */
export interface DivisionContext extends ModelContext {
  /** Samples of a step. */
  batchSize: number;
  origin: PlanOrigin;
  /** How the plan came about, as the beginning of its reason: 'as asked'. */
  because: string;
}

/** The pipeline's part of a plan. */
export interface ResolvedPipeline {
  schedule: Schedule;
  stagesPerRank: number;
  microBatches: number;
  splitAt: string[];
  /** Whether nobody said how many micro-batches there are. */
  choseMicroBatches: boolean;
}
