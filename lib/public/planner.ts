/**
 * `many-hands/planner`: plans and simulates the training of a transformer from numbers alone, and
 * the papers' formulas. It loads neither tfjs nor an engine. `plan(model)`, which measures a tfjs
 * model, is in `many-hands`; the types of what it returns are here too.
 */
export {planSpec} from '../specPlanner/planSpec';
export type {
  SpecChoice,
  SpecMachine,
  SpecPlan,
  SpecPrediction,
  SpecRecompute,
  SpecRow,
  SpecStrategy,
  TransformerSpec,
} from '../specPlanner/spec';
export {simulate} from '../simulate/simulate';
export type {SimulatedRank, Simulation} from '../simulate/simulate';
export type {SimulationOptions} from '../simulate/readSimulation';
export type {SimulationCosts, StageCost} from '../simulate/costs';
export {simulateRow} from '../simulate/simulateRow';
export type {SimulateRowOptions} from '../simulate/simulateRow';
export {
  activationBytes,
  modelStateBytes,
  RECIPES,
  transformerParameters,
} from '../memoryEstimate/formulas';
export type {
  ActivationOptions,
  Recipe,
  StateOptions,
  TransformerSizes,
} from '../memoryEstimate/formulas';
export {Mesh} from '../mesh/mesh';
export type {Axis, Coordinates, MeshSizes} from '../mesh/mesh';
export {formatBytes, parseBytes} from '../base/units';

export type {CalibrateOptions} from '../planner/calibrate';
export type {Link, Machine} from '../planner/machine';
export type {LinkOperation, TimedOperation} from '../planner/commBenchmark';
export type {PlannedStrategy, PlanOptions, PlanRow, Prediction} from '../planner/plan';
export type {StepCost, StepParts} from '../planner/stepCost';
export type {DeviceMemory} from '../planner/memory';
export type {PlanValidation, ValidatePlanOptions, ValidatedRow} from '../validatePlan';
