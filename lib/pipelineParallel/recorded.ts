/**
 * What a pipeline's trace says: how long ranks computed and waited in a step, and the
 * same step on a virtual clock, as if each rank had a core.
 */
import {median, sum} from '../base/statistics';
import type {Span} from '../trace/spans';
import {simulateSchedule, type CostOf, type ScheduleTimeline} from './simulateSchedule';
import type {Action, Compute, Schedule} from './schedule';

/** One step of a pipeline, from its first work to its last; all in seconds. */
export interface PipelineStep {
  step: number;
  seconds: number;
  /**
   * By rank: forward, backward and making the input, with what a stage's layers say to each other
   * in their middle.
   */
  busy: number[];
  /** By rank: handing messages over. */
  send: number[];
  /** By rank: waiting for messages. */
  wait: number[];
}

const WORK = new Set(['forward', 'backward', 'input']);
/** What the parts of a divided layer say to each other. */
const isOfLayer = ({kind, name}: Span) =>
  kind === 'communication' && /^(all-reduce|all-gather|reduce-scatter) /.test(name);

const computesOf = (list: readonly Action[]) =>
  list.filter((action): action is Compute => !('peer' in action) && action.do !== 'update');

/** The spans of each step, the steps in order. */
function byStep(spans: readonly Span[]): Array<[number, Span[]]> {
  const steps = new Map<number, Span[]>();
  for (const span of spans) {
    const own = steps.get(span.step);
    if (own) own.push(span);
    else steps.set(span.step, [span]);
  }
  return [...steps].sort(([a], [b]) => a - b);
}

/** The steps of a trace, each by rank; `ranks`: how many there are. */
export function pipelineSteps(spans: readonly Span[], ranks: number): PipelineStep[] {
  return byStep(spans).flatMap(([step, all]): PipelineStep[] => {
    const own = all.filter(
      ({kind}) => WORK.has(kind) || kind === 'communication' || kind === 'wait',
    );
    const work = own.filter(({kind}) => WORK.has(kind));
    if (work.length === 0) return [];
    const start = Math.min(...work.map((span) => span.start));
    const end = Math.max(...work.map((span) => span.start + span.wallSeconds));
    const byRank = (kinds: (span: Span) => boolean) =>
      Array.from({length: ranks}, (_, rank) =>
        sum(
          own
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
        // What is waited for after the last work is no bubble.
        wait: byRank(({kind, start: at}) => kind === 'wait' && at < end),
      },
    ];
  });
}

/** The share of the ranks' time in which they did not work, sending taken away from it. */
export function bubbleOf({seconds, busy, send}: PipelineStep): number {
  const time = seconds * busy.length - sum(send);
  return time > 0 ? 1 - sum(busy) / time : 0;
}

/**
 * By rank, the processor seconds of each compute of the schedule: the median over the steps that
 * have all of them, but for the first, in which the engine loads; null where none has.
 */
export function measuredCosts(spans: readonly Span[], {actions}: Schedule): number[][] | null {
  const steps = byStep(spans);
  const costs = actions.map((list, rank): number[][] => {
    const count = computesOf(list).length;
    const found: number[][] = [];
    for (const [, all] of steps) {
      // Making the input belongs to the forward that it is for.
      let before = 0;
      let open = '';
      const own: number[] = [];
      for (const {kind, name, wallSeconds, cpuSeconds} of all
        .filter((span) => span.rank === rank)
        .sort((a, b) => a.start - b.start)) {
        const seconds = Math.min(wallSeconds, cpuSeconds);
        if (kind === 'input') before += seconds;
        else if (kind === 'forward' || kind === 'backward') {
          // A layer that talks in its middle divides the span of an action.
          if (open === kind + name) own[own.length - 1] += seconds;
          else own.push(seconds + before);
          open = kind + name;
          before = 0;
        }
      }
      if (own.length === count) found.push(own);
    }
    return found.length > 1 ? found.slice(1) : found;
  });
  if (costs.some((steps) => steps.length === 0)) return null;
  return costs.map((found) => found[0].map((_, i) => median(found.map((step) => step[i]))));
}

/** The schedule on a virtual clock with these costs, in seconds. */
export function replayRecorded(schedule: Schedule, costs: readonly number[][]): ScheduleTimeline {
  const place = schedule.actions.map(
    (list) => new Map(computesOf(list).map((action, i) => [action, i])),
  );
  return simulateSchedule(schedule, (action, rank) => costs[rank][place[rank].get(action)!]);
}

/**
 * The cost of each kind of work in the mean over all ranks and micro-batches: what the stages would
 * take if they were alike.
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
