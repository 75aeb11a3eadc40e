/** The public list of `many-hands`, and nothing else. */
// Its types too (`x as tf.Tensor`), which a constant would not carry; the engine below gives this
// one tfjs its backend.
import * as tf from '@tensorflow/tfjs';
export {tf};
export {engineInfo} from './devices/engine';
export type {EngineInfo, EngineName} from './devices/engine';
export {devices} from './devices/devices';
export type {Device} from './devices/devices';
export {ManyHandsError} from './base/errors';
export type {ErrorCode} from './base/errors';
export type {
  ArrayValues,
  Data,
  DataArray,
  DataArrays,
  DataModule,
  ShapedArray,
} from './base/arrays';
export {onRun} from './base/events';
export type {
  DeviceUse,
  RankSummary,
  RunEnd,
  RunEpoch,
  RunEvent,
  RunListener,
  RunOutput,
  RunStart,
  RunStep,
} from './base/events';
export {courseScale} from './base/scale';
export type {CourseScale} from './base/scale';
export {formatBytes, parseBytes} from './base/units';
export {permutation, Random} from './base/random';
export type {RankTrace, Span, SpanKind} from './trace/spans';
export * from './data';
export * from './models';
export {train} from './run/train';
export {trainParallel} from './trainParallel';
export {calibrate} from './planner/calibrate';
export type {CalibrateOptions} from './planner/calibrate';
export type {Link, Machine} from './planner/machine';
export type {LinkOperation, TimedOperation} from './planner/commBenchmark';
export {plan, rowName} from './planner/plan';
export type {PlanOptions, PlanRow, Prediction} from './planner/plan';
export type {StepCost, StepParts} from './planner/cost';
export type {DeviceMemory} from './planner/memory';
export {validatePlan} from './validatePlan';
export type {PlanValidation, ValidatePlanOptions, ValidatedRow} from './validatePlan';
export {Mesh} from './mesh/mesh';
export type {Axis, Coordinates, MeshSizes} from './mesh/mesh';
export {spmd} from './run/spmd';
export type {SpmdOptions} from './run/spmd';
export type {SpmdContext, SpmdProgram} from './job/spmdProtocol';
export * from './collectives';
export {summarize} from './report/summarize';
export {schedule, scheduleText} from './pipelineParallel/schedule';
export type {Action, Compute, Schedule, StageMessage, Update} from './pipelineParallel/schedule';
export {bubbleFormula, pipelineSchedule} from './pipelineParallel/namedSchedules';
export type {ScheduleName, ScheduleSizes} from './pipelineParallel/namedSchedules';
export {simulateSchedule} from './pipelineParallel/simulateSchedule';
export type {
  CostOf,
  TimedAction,
  TimedMessage,
  ScheduleTimeline,
  SendCostOf,
} from './pipelineParallel/simulateSchedule';
export {checkSchedule} from './pipelineParallel/checkSchedule';
export type {ScheduleCheck} from './pipelineParallel/checkSchedule';
export {splitModel} from './pipelineParallel/balance';
export type {Balance, Split, SplitOptions, Stage} from './pipelineParallel/balance';
export {registerLayout} from './tensorParallel/rules';
export {registerPerPosition} from './tensorParallel/perPosition';
export type {PerPosition} from './tensorParallel/perPosition';
export type {
  OutputPlacement,
  LayoutPart,
  LayoutRule,
  ShardedLayer,
  ShardedWeight,
} from './tensorParallel/rules';
export type {Layout, Rules} from './tensorParallel/layout';
export {placements} from './placement/placements';
export type {WeightShard} from './model/weightShard';
export type {
  PlacedShard,
  WeightPlacement,
  Placements,
  PlacementsOptions,
  RankPlacement,
} from './placement/placements';
export {bubble, virtualTrace} from './report/bubble';
export type {Bubble} from './report/bubble';
export {diagnoseIdle} from './report/diagnoseIdle';
export type {IdleDiagnosis, IdleCause} from './report/diagnoseIdle';
export type {TrainResult} from './run/result';
export type {RankTiming, Straggler} from './run/timing';
export type {Plan} from './config/strategy';
export type {
  Callbacks,
  ClassWeight,
  RowFields,
  Strategy,
  StrategyFields,
  StrategyName,
  TrainOptions,
  TrainParallelOptions,
} from './config/options';
export type {MemoryUse} from './memory/memoryUse';
export type {RunRecord, TrafficLine} from './run/record';
export {
  estimateMemory,
  activationBytes,
  MemoryEstimator,
  modelStateBytes,
  RECIPES,
  transformerParameters,
} from './memoryEstimate';
export type {
  MemoryEstimate,
  EstimateMemoryOptions,
  MemoryEstimateRow,
  ActivationOptions,
  Recipe,
  StateOptions,
  TransformerSizes,
} from './memoryEstimate';
export type {ByCategory, Category, NamedBuffer} from './memory';
export type {Recompute} from './model/segments';
export type {ModuleReference} from './model/describe';
export {planSpec} from './specPlanner/planSpec';
export type {
  SpecChoice,
  SpecMachine,
  SpecPlan,
  SpecRecompute,
  SpecRow,
  TransformerSpec,
} from './specPlanner/spec';
export {simulate} from './simulate/simulate';
export type {SimulatedRank, Simulation, SimulationOptions} from './simulate/simulate';
export type {SimulationCosts, StageCost} from './simulate/costs';
export {simulateRow} from './simulate/simulateRow';
export {closeWorkers} from './workers/pool';
export * from './notebook';
export {answer} from './quiz/answer';
export {predict, predicted, reconcile} from './quiz/predict';
export {check, whichRan} from './quiz/check';
export {earlierAnswers} from './quiz/earlier';
export type {EarlierQuestion} from './quiz/earlier';

import {listenToRuns} from './notebook';

listenToRuns();
