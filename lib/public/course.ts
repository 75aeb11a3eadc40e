/**
 * `many-hands/course`: everything, for the notebooks. Importing it shows every run of this process
 * in its cell or terminal.
 */
import {listenToRuns} from '../notebook';

export * from '../index';
export * from './planner';
export * from './collectives';
export * from './schedule';
export * from './data';
export * from './models';
export * from './notebook';
export * from './quiz';
export type {MemoryEstimateRow} from '../memoryEstimate';
export type {PlacedShard, RankPlacement, WeightPlacement} from '../placement/placements';
export type {WeightShard} from '../model/weightShard';
export type {
  LayoutPart,
  OutputPlacement,
  ShardedLayer,
  ShardedWeight,
} from '../tensorParallel/rules';
export type {PerPosition} from '../tensorParallel/perPosition';
export type {Rules} from '../tensorParallel/layout';
export type {ClassWeight} from '../config/options';
export type {PlanOrigin, ZeroStage} from '../config/plan';
export type {RankTiming, Straggler} from '../run/timing';
export type {TrafficLine} from '../run/record';
export type {ByCategory, Category, NamedBuffer} from '../memory';
export type {EngineName} from '../devices/engine';
export type {
  RankSummary,
  RunEnd,
  RunEpoch,
  RunOutput,
  RunStart,
  RunStep,
} from '../base/events';

listenToRuns();
