/**
 * The bubble of a pipeline run: predicted by its schedule, measured, and on a virtual clock.
 */
import {median} from '../base/statistics';
import {physicalCores} from '../base/cgroup';
import {ManyHandsError} from '../base/errors';
import {simulateSchedule, UNIT_COST} from '../pipelineParallel/simulateSchedule';
import {
  bubbleOf,
  evenCosts,
  measuredCosts,
  pipelineSteps,
  timelineOf,
} from '../pipelineParallel/recorded';
import type {Schedule} from '../pipelineParallel/schedule';
import {pipelineSchedule} from '../pipelineParallel/namedSchedules';
import type {Span} from '../trace/spans';
import type {TrainResult} from '../run/result';
import {checkResult} from './checkResult';

/** Idle shares of the total time of all ranks, from 0 to 1. */
export interface Bubble {
  /**
   * The bubble of the schedule with equal stages: every forward, backward and weight-gradient action
   * takes its mean measured time.
   */
  expected: number;
  /** The median over the recorded steps, without the time for sending; null without a trace. */
  measured: number | null;
  /**
   * The bubble of the schedule replayed with the measured processor time of each action, as if every
   * rank had a core; null without a trace.
   */
  virtual: number | null;
  /** Whether there were more threads than cores, so that `virtual` is more meaningful. */
  timeSliced: boolean;
}

/** The schedule of a pipeline run. Throws BAD_OPTION for a result without a pipeline. */
function scheduleOf(result: Pick<TrainResult, 'plan'>): Schedule {
  checkResult('bubble', result, ['plan']);
  const {schedule, mesh, microBatches, stagesPerRank} = result.plan;
  if (schedule === undefined)
    throw new ManyHandsError(
      'BAD_OPTION',
      "this result does not come from a pipeline: use trainParallel with strategy: {kind: 'pipelineParallel'}.",
    );
  return typeof schedule === 'string'
    ? pipelineSchedule(schedule, {ranks: mesh.pipeline, microBatches, stagesPerRank})
    : schedule;
}

/**
 * The spans of the first pipeline of the mesh, with one rank per stage: rank 0 and the ranks that
 * differ from it only on the pipeline axis.
 */
export function pipelineSpans({
  plan: {mesh},
  trace: {spans},
}: Pick<TrainResult, 'plan' | 'trace'>): Span[] {
  const ranks = mesh.groupOf('pipeline', 0);
  return spans.flatMap((span) =>
    ranks.includes(span.rank) ? [{...span, rank: ranks.indexOf(span.rank)}] : [],
  );
}

/** Whether ranks had to wait for a core. */
function isTimeSliced({devices}: Pick<TrainResult, 'devices'>): boolean {
  return (
    devices.filter(({id}) => id === 'cpu').reduce((sum, {threads}) => sum + threads, 0) >
    physicalCores()
  );
}

/**
 * By stage, the processor seconds of each compute action in the recorded steps, for the virtual
 * clock; null without a trace.
 */
export function virtualCosts(result: Pick<TrainResult, 'plan' | 'trace'>): number[][] | null {
  return measuredCosts(pipelineSpans(result), scheduleOf(result));
}

/**
 * Replays one step on the virtual clock, on which every rank has a core, and returns its spans for a
 * timeline, in seconds. Throws BAD_OPTION for a result without a pipeline or without a trace.
 */
export function virtualTrace(result: Pick<TrainResult, 'plan' | 'trace'>): {spans: Span[]} {
  const costs = virtualCosts(result);
  if (!costs)
    throw new ManyHandsError(
      'BAD_OPTION',
      'virtualTrace: the run kept no trace of its actions: train with trace: true.',
    );
  return {
    spans: timelineOf(scheduleOf(result), costs).played.map(({rank, action, start, end}) => ({
      rank,
      step: 0,
      kind: action.do === 'forward' ? 'forward' : 'backward',
      name: `micro-batch ${action.microBatch + 1}`,
      start,
      wallSeconds: end - start,
      cpuSeconds: end - start,
    })),
  };
}

/**
 * The bubble of a pipeline run; for a mesh, of its first pipeline. Throws BAD_OPTION for a result
 * without a pipeline.
 */
export function bubble(result: Pick<TrainResult, 'plan' | 'trace' | 'devices'>): Bubble {
  const schedule = scheduleOf(result);
  const timeSliced = isTimeSliced(result);
  const costs = virtualCosts(result);
  if (!costs)
    return {
      expected: simulateSchedule(schedule, UNIT_COST).bubble,
      measured: null,
      virtual: null,
      timeSliced,
    };
  const steps = pipelineSteps(pipelineSpans(result), result.plan.mesh.pipeline);
  return {
    expected: simulateSchedule(schedule, evenCosts(schedule, costs)).bubble,
    measured: median((steps.length > 1 ? steps.slice(1) : steps).map(bubbleOf)),
    virtual: timelineOf(schedule, costs).bubble,
    timeSliced,
  };
}
