/**
 * `many-hands`: what a tfjs user needs to train a model on several devices. Everything else is
 * exported by the subpaths in `lib/public`. Importing this module starts nothing and listens to
 * nothing.
 */
// A namespace import carries tfjs's types too (`x as tf.Tensor`), which a constant would not.
import * as tf from '@tensorflow/tfjs';
export {tf};

export {train} from './run/train';
export {trainParallel} from './trainParallel';
export type {
  Callbacks,
  Strategy,
  StrategyFields,
  StrategyName,
  TrainOptions,
  TrainParallelOptions,
} from './config/options';
export type {Plan} from './config/plan';
export type {TrainResult} from './run/result';
export type {RunRecord} from './run/record';
export type {MemoryUse} from './memory/memoryUse';
export type {Data, DataModule, DataPart} from './base/arrays';
export type {Recompute} from './model/segments';
export type {ModuleReference} from './model/describe';

export {summarize} from './report/summarize';
export {bubble} from './report/bubble';
export type {Bubble} from './report/bubble';
export {diagnoseIdle} from './report/diagnoseIdle';
export type {IdleDiagnosis} from './report/diagnoseIdle';

export {plan, rowName} from './planner/plan';
export type {PlanOptions, PlanRow, Prediction} from './planner/plan';
export {calibrate} from './planner/calibrate';
export type {Machine} from './planner/machine';
export {validatePlan} from './validatePlan';
export type {PlanValidation, ValidatePlanOptions} from './validatePlan';

export {estimateMemory, MemoryEstimator} from './memoryEstimate';
export type {EstimateMemoryOptions, MemoryEstimate} from './memoryEstimate';
export {placements} from './placement/placements';
export type {Placements, PlacementsOptions} from './placement/placements';
export {Mesh} from './mesh/mesh';
export type {MeshSizes} from './mesh/mesh';

export {schedule} from './pipelineParallel/schedule';
export type {Schedule} from './pipelineParallel/schedule';
export type {ScheduleName} from './pipelineParallel/namedSchedules';
export {sumOverCount} from './step/sumAndCount';
export type {SumAndCount, SumAndCountFunction} from './step/sumAndCount';
export {registerLayout} from './tensorParallel/rules';
export type {LayoutRule} from './tensorParallel/rules';
export type {Layout} from './tensorParallel/layout';
export {registerPerPosition} from './tensorParallel/perPosition';

export {spmd} from './run/spmd';
export type {SpmdOptions} from './run/spmd';
export type {SpmdContext, SpmdProgram} from './job/spmdProtocol';
export type {Communicator} from './collectives';

export {devices} from './devices/devices';
export type {Device} from './devices/devices';
export {engineInfo} from './devices/engine';
export type {EngineInfo} from './devices/engine';
export {closeWorkers} from './workers/pool';
export {onRun} from './base/events';
export type {DeviceUse, RunEvent, RunListener} from './base/events';
export {ManyHandsError} from './base/errors';
export type {ErrorCode} from './base/errors';
export {formatBytes, parseBytes} from './base/units';
