/**
 * The plan of a run: its strategy with every choice resolved, and how the strategy was found.
 */
import {AXES, type Mesh} from '../mesh/mesh';
import type {Recompute} from '../model/segments';
import type {Schedule} from '../pipelineParallel/schedule';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';
import type {Rules} from '../tensorParallel/layout';

/**
 * The stage of ZeRO: what is divided along the data axis. 0 is nothing, 1 the optimizer's state, 2
 * also the gradients, 3 also the weights.
 */
export type ZeroStage = 0 | 1 | 2 | 3;

/**
 * Where a plan came from: the caller asked for its strategy, 'auto' chose it, or 'auto' had nothing
 * to choose from and fell back to it.
 */
export type PlanOrigin = 'asked' | 'auto' | 'fallback';

/** The strategy that a run used, complete, and why. */
export interface Plan {
  /** How many ranks each axis has; `String(mesh)` draws them. */
  mesh: Mesh;
  zero: ZeroStage;
  /**
   * The number of micro-batches: the parts of a rank's share of a batch, whose gradients are summed
   * before they are reduced over ranks. In a pipeline, the parts of the whole batch.
   */
  microBatches: number;
  recompute: Recompute;
  /** For a pipeline: the actions of each rank. */
  schedule?: Schedule;
  /** For a pipeline: the number of stages on each rank. */
  stagesPerRank?: number;
  /** For a pipeline: the blocks or layers with which the second and later stages begin. */
  splitAt?: string[];
  /** For tensor parallelism: the rule of each divided layer. */
  layout?: Rules;
  /** For tensor parallelism: whether activations are sharded by position between divided layers. */
  sequenceParallel?: boolean;
  /** A cost that is easily overlooked; the run prints it on stderr. */
  warning?: string;
  /** How the strategy was found. */
  origin: PlanOrigin;
  /** What is divided and why, in words. */
  reason: string;
}

const DATA_PARALLEL = ['dataParallel', 'zero1', 'zero2', 'fsdp'];

const scheduleName = (schedule: ScheduleName | Schedule | undefined): string =>
  typeof schedule === 'object' ? schedule.name : (schedule ?? '');

/** The name of a strategy in tables and charts. */
export function strategyName({
  mesh,
  zero,
  schedule,
}: {
  mesh: Mesh;
  zero: ZeroStage;
  schedule?: ScheduleName | Schedule;
}): string {
  const divided = AXES.filter((axis) => mesh[axis] > 1);
  if (divided.length === 0) return 'one device';
  const names = {
    data: DATA_PARALLEL[zero],
    tensor: 'tensorParallel',
    pipeline: `pipelineParallel, ${scheduleName(schedule)}`,
  };
  if (divided.length === 1) return names[divided[0]];
  const sizes = divided.map(
    (axis) => `${axis} ${mesh[axis]}${axis === 'data' && zero > 0 ? ` (${names.data})` : ''}`,
  );
  return sizes.join(' x ') + (mesh.pipeline > 1 ? `, ${scheduleName(schedule)}` : '');
}
