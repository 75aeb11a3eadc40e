/**
 * One way to train a model, as a run would take it.
 */
import type {Mesh} from '../mesh/mesh';
import type {Recompute} from '../model/segments';
import type {Schedule} from '../pipelineParallel/schedule';
import type {SplitPoint} from '../pipelineParallel/splitPoints';
import type {Rules} from '../tensorParallel/layout';

/** How a pipeline runs, and the split points between its stages. */
export interface PipelineChoice {
  schedule: Schedule;
  splitPoints: SplitPoint[];
}

/** One way to train a model, as a run would take it. */
export interface ModelChoice {
  mesh: Mesh;
  zero: 0 | 1 | 2 | 3;
  microBatches: number;
  recompute: Recompute;
  /** Null without a pipeline. */
  pipeline: PipelineChoice | null;
  /** The rules of tensor parallelism; empty without it. */
  rules: Rules;
}
