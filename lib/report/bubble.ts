/**
 * The bubble of a pipeline that ran: what its schedule foretells, what was measured,
 * and what a virtual clock shows.
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

/** Shares of the ranks' time together, from 0 to 1. */
export interface Bubble {
  /**
   * What the schedule has where all stages are alike: of its forwards, backwards and weights' parts
   * as long as they were in the mean.
   */
  expected: number;
  /** Of the recorded steps, in the median, sending taken away; null where nothing was traced. */
  measured: number | null;
  /**
   * The schedule replayed with the processor time of each of its actions, as if every rank had a
   * core; null where nothing was traced.
   */
  virtual: number | null;
  /** Whether there were more workers than cores, so that `virtual` is the figure to look at. */
  timeSliced: boolean;
}

/** The schedule that a pipeline ran by. Throws BAD_OPTION where the result is of no pipeline. */
function scheduleOf({plan}: Pick<TrainResult, 'plan'>): Schedule {
  const {schedule, mesh, microBatches, stagesPerRank} = plan;
  if (schedule === undefined)
    throw new ManyHandsError(
      'BAD_OPTION',
      "this result is of no pipeline: give one of trainParallel with strategy: {kind: 'pipelineParallel'}.",
    );
  return typeof schedule === 'string'
    ? pipelineSchedule(schedule, {ranks: mesh.pipeline, microBatches, stagesPerRank})
    : schedule;
}

/**
 * The spans of the first replica's pipeline, a rank a stage: those of rank 0 and of the ranks that
 * differ from it on that axis alone.
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

/** Whether ranks stood in line for a core. */
function isTimeSliced({devices}: Pick<TrainResult, 'devices'>): boolean {
  return (
    devices.filter(({id}) => id === 'cpu').reduce((sum, {threads}) => sum + threads, 0) >
    physicalCores()
  );
}

/**
 * By stage, the processor seconds of each compute in the recorded steps, which the virtual clock
 * takes; null where nothing was traced.
 */
export function virtualCosts(result: Pick<TrainResult, 'plan' | 'trace'>): number[][] | null {
  return measuredCosts(pipelineSpans(result), scheduleOf(result));
}

/**
 * The schedule on the virtual clock, as spans for a timeline: one step in which every rank has a
 * core. Throws BAD_OPTION where nothing was traced.
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
 * The bubble of a run with `pipelineParallel`; of a mesh, of its first replica's pipeline. Throws
 * BAD_OPTION for a result of any other strategy.
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
