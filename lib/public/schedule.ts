/**
 * `many-hands/schedule`: pipeline schedules as data. They are written, checked, simulated and
 * compared with a run.
 */
export {schedule, scheduleText} from '../pipelineParallel/schedule';
export type {
  Action,
  Compute,
  Schedule,
  StageMessage,
  Update,
} from '../pipelineParallel/schedule';
export {bubbleFormula, pipelineSchedule} from '../pipelineParallel/namedSchedules';
export type {ScheduleName, ScheduleSizes} from '../pipelineParallel/namedSchedules';
export {simulateSchedule} from '../pipelineParallel/simulateSchedule';
export type {
  CostOf,
  ScheduleTimeline,
  SendCostOf,
  TimedAction,
  TimedMessage,
} from '../pipelineParallel/simulateSchedule';
export {checkSchedule} from '../pipelineParallel/checkSchedule';
export type {ScheduleCheck} from '../pipelineParallel/checkSchedule';
export {splitModel} from '../pipelineParallel/balance';
export type {Balance, Split, SplitOptions, Stage} from '../pipelineParallel/balance';
export {bubble, virtualTrace} from '../report/bubble';
export type {Bubble} from '../report/bubble';
export {diagnoseIdle} from '../report/diagnoseIdle';
export type {IdleCause, IdleDiagnosis} from '../report/diagnoseIdle';
export type {RankTrace, Span, SpanKind} from '../trace/spans';
