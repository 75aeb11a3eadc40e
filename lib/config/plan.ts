/**
 * The plan of a run: its strategy with every choice resolved, and where it came from.
 */
import {AXES, type Mesh} from '../mesh/mesh';
import type {Recompute} from '../model/segments';
import type {Schedule} from '../pipelineParallel/schedule';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';
import type {Rules} from '../tensorParallel/layout';

/** The stage of ZeRO: 0 divides nothing along the data axis, 3 all of the model's state. */
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
   * Parts of a rank's share of a step, whose gradients are summed before they are reduced over
   * ranks; in a pipeline, parts of the whole step.
   */
  microBatches: number;
  recompute: Recompute;
  /** The actions of each rank of a pipeline. */
  schedule?: Schedule;
  /** Stages per rank of a pipeline. */
  stagesPerRank?: number;
  /** The blocks or layers with which a pipeline's later stages begin. */
  splitAt?: string[];
  /** Of tensor parallelism, the rule of each layer that is divided. */
  layout?: Rules;
  /** Of tensor parallelism: whether a rank keeps its own positions between the divided layers. */
  sequenceParallel?: boolean;
  /** A cost that is easily overlooked; the run prints it on stderr. */
  warning?: string;
  origin: PlanOrigin;
  /** What is divided and why, in words. */
  reason: string;
}

const DATA_PARALLEL = ['dataParallel', 'zero1', 'zero2', 'fsdp'];

const scheduleName = (schedule: ScheduleName | Schedule | undefined): string =>
  typeof schedule === 'object' ? schedule.name : (schedule ?? '');

/** What a chart calls a strategy. */
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
