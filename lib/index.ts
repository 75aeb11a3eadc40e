/** The public list of `many-hands`, and nothing else. */
// Its types too (`x as tf.Tensor`), which a constant would not carry; the engine below gives this one tfjs its backend.
import * as tf from '@tensorflow/tfjs';
export {tf};
export {engineInfo} from './devices/engine';
export type {EngineInfo, EngineName} from './devices/engine';
export {devices} from './devices/devices';
export type {Device} from './devices/devices';
export {ManyHandsError} from './base/errors';
export type {ErrorCode} from './base/errors';
export type {ArrayValues, Data, DataArray, DataArrays, DataModule, ShapedArray} from './base/arrays';
export {onRun} from './base/events';
export type {DeviceUse, RankSummary, RunEnd, RunEpoch, RunEvent, RunListener, RunOutput, RunStart, RunStep} from './base/events';
export {courseScale} from './base/scale';
export type {CourseScale} from './base/scale';
export {formatBytes, parseBytes} from './base/units';
export {permutation, Random} from './base/random';
export type {Span, SpanKind} from './trace/spans';
export * from './data';
export * from './models';
export {train} from './train';
export {trainParallel} from './trainParallel';
export {spmd} from './spmd';
export type {SpmdOptions} from './spmd';
export type {SpmdContext, SpmdProgram} from './run/spmdJob';
export * from './collectives';
export {explain} from './run/explain';
export type {TrainResult} from './run/result';
export type {RankTiming, Straggler} from './run/timing';
export type {Plan} from './run/strategy';
export type {Callbacks, ClassWeight, Strategy, StrategyName, TrainOptions, TrainParallelOptions} from './run/options';
export type {MemoryUse, RunRecord, TrafficLine} from './run/record';
export {account, activationBytes, ModelAccount, modelStateBytes, RECIPES, transformerParameters} from './account';
export type {Account, AccountOptions, AccountRow, ActivationOptions, Recipe, StateOptions, TransformerSizes} from './account';
export type {ByCategory, Category, NamedBuffer} from './memory';
export type {Recompute} from './step/segments';
export type {ModuleReference} from './model/describe';
export {closeWorkers} from './workers/pool';
export * from './notebook';
export {answer} from './quiz/answer';
export {predict, predicted, reconcile} from './quiz/predict';
export {check, whichRan} from './quiz/check';

import {listenToRuns} from './notebook';

listenToRuns();
