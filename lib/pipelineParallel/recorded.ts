/**
 * Evaluates a pipeline's trace: how long each rank computed and waited in a step, and how
 * the step would run if each rank had a core of its own.
 */
import {median, sum} from '../base/statistics';
import type {Span} from '../trace/spans';
import {simulateSchedule, type CostOf, type ScheduleTimeline} from './simulateSchedule';
import type {Action, Compute, Schedule} from './schedule';

/** One step of a pipeline, from the start of its first work to the end of its last; in seconds. */
export interface PipelineStep {
  step: number;
  seconds: number;
  /** By rank: forward, backward and making the input, including collectives inside layers. */
  busy: number[];
  /** By rank: sending messages. */
  send: number[];
  /** By rank: waiting for messages. */
  wait: number[];
}

const WORK = new Set(['forward', 'backward', 'input']);
/** Whether a span is a collective inside a layer. */
const isOfLayer = ({kind, name}: Span) =>
  kind === 'communication' && /^(all-reduce|all-gather|reduce-scatter) /.test(name);

const computesOf = (list: readonly Action[]) =>
  list.filter((action): action is Compute => !('peer' in action) && action.do !== 'update');

/** The spans of each step, in the order of the steps. */
function byStep(spans: readonly Span[]): Array<[number, Span[]]> {
  const steps = new Map<number, Span[]>();
  for (const span of spans) {
    const known = steps.get(span.step);
    if (known) known.push(span);
    else steps.set(span.step, [span]);
  }
  return [...steps].sort(([a], [b]) => a - b);
}

/** The steps of a pipeline's trace; `ranks`: the number of ranks. */
export function pipelineSteps(spans: readonly Span[], ranks: number): PipelineStep[] {
  return byStep(spans).flatMap(([step, stepSpans]): PipelineStep[] => {
    const relevant = stepSpans.filter(
      ({kind}) => WORK.has(kind) || kind === 'communication' || kind === 'wait',
    );
    const work = relevant.filter(({kind}) => WORK.has(kind));
    if (work.length === 0) return [];
    const start = Math.min(...work.map((span) => span.start));
    const end = Math.max(...work.map((span) => span.start + span.wallSeconds));
    const byRank = (kinds: (span: Span) => boolean) =>
      Array.from({length: ranks}, (_, rank) =>
        sum(
          relevant
            .filter((span) => span.rank === rank && kinds(span))
            .map(({wallSeconds}) => wallSeconds),
        ),
      );
    return [
      {
        step,
        seconds: end - start,
        busy: byRank((span) => WORK.has(span.kind) || isOfLayer(span)),
        send: byRank(({kind, name}) => kind === 'communication' && name.startsWith('send')),
        // Waiting after the last work does not belong to the bubble.
        wait: byRank(({kind, start: spanStart}) => kind === 'wait' && spanStart < end),
      },
    ];
  });
}

/** The share of the ranks' time, without sending, in which they did not work. */
export function bubbleOf({seconds, busy, send}: PipelineStep): number {
  const time = seconds * busy.length - sum(send);
  return time > 0 ? 1 - sum(busy) / time : 0;
}

/**
 * By rank, the processor seconds of each compute action of the schedule: the median over the steps
 * that contain all of them, without the first, in which the engine loads. Null if no step does.
 */
export function measuredCosts(spans: readonly Span[], {actions}: Schedule): number[][] | null {
  const steps = byStep(spans);
  const costs = actions.map((list, rank): number[][] => {
    const count = computesOf(list).length;
    const stepsOfRank: number[][] = [];
    for (const [, stepSpans] of steps) {
      // The time for making an input counts for the forward that needs it.
      let inputSeconds = 0;
      let openAction = '';
      const computeSeconds: number[] = [];
      for (const {kind, name, wallSeconds, cpuSeconds} of stepSpans
        .filter((span) => span.rank === rank)
        .sort((a, b) => a.start - b.start)) {
        const seconds = Math.min(wallSeconds, cpuSeconds);
        if (kind === 'input') inputSeconds += seconds;
        else if (kind === 'forward' || kind === 'backward') {
          // A collective inside a layer splits the span of an action.
          if (openAction === kind + name) computeSeconds[computeSeconds.length - 1] += seconds;
          else computeSeconds.push(seconds + inputSeconds);
          openAction = kind + name;
          inputSeconds = 0;
        }
      }
      if (computeSeconds.length === count) stepsOfRank.push(computeSeconds);
    }
    return stepsOfRank.length > 1 ? stepsOfRank.slice(1) : stepsOfRank;
  });
  if (costs.some((steps) => steps.length === 0)) return null;
  return costs.map((stepsOfRank) =>
    stepsOfRank[0].map((_, i) => median(stepsOfRank.map((step) => step[i]))),
  );
}

/** Simulates the schedule with these costs, in seconds. */
export function timelineOf(schedule: Schedule, costs: readonly number[][]): ScheduleTimeline {
  const computeIndex = schedule.actions.map(
    (list) => new Map(computesOf(list).map((action, i) => [action, i])),
  );
  return simulateSchedule(schedule, (action, rank) => costs[rank][computeIndex[rank].get(action)!]);
}

/**
 * The mean cost of each kind of work over all ranks and micro-batches: the costs of perfectly
 * balanced stages.
 */
export function evenCosts({actions}: Schedule, costs: readonly number[][]): CostOf {
  const kinds = new Map<Compute['do'], number[]>();
  actions.forEach((list, rank) =>
    computesOf(list).forEach((action, i) =>
      kinds.set(action.do, [...(kinds.get(action.do) ?? []), costs[rank][i]]),
    ),
  );
  return ({do: kind}) => sum(kinds.get(kind)!) / kinds.get(kind)!.length;
}
