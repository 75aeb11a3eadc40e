/**
 * Caller side. What a pipeline's trace says: how long ranks computed and waited in a step, and the same step on a virtual clock, as if each rank had a core.
 */
import {median} from '../base/median';
import type {Span} from '../trace/spans';
import {playSchedule, type CostOf, type Playing} from './playSchedule';
import type {Compute, Schedule} from './schedule';

/** One step of a pipeline, from its first work to its last; all in seconds. */
export interface PipelineStep {
  step: number;
  seconds: number;
  /** By rank: forward, backward and making the input. */
  busy: number[];
  /** By rank: handing messages over. */
  send: number[];
  /** By rank: waiting for messages. */
  wait: number[];
  /** By rank, from the step's beginning: when its work began. */
  first: number[];
}

const WORK = new Set(['forward', 'backward', 'input']);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** The steps of a trace, each by rank; `ranks`: how many there are. */
export function pipelineSteps(spans: readonly Span[], ranks: number): PipelineStep[] {
  const steps = [...new Set(spans.map(({step}) => step))].sort((a, b) => a - b);
  return steps.flatMap((step): PipelineStep[] => {
    const own = spans.filter((span) => span.step === step && (WORK.has(span.kind) || span.kind === 'communication' || span.kind === 'wait'));
    const work = own.filter(({kind}) => WORK.has(kind));
    if (work.length === 0) return [];
    const start = Math.min(...work.map((span) => span.start));
    const end = Math.max(...work.map((span) => span.start + span.wallSeconds));
    const byRank = (kinds: (span: Span) => boolean) => Array.from({length: ranks}, (_, rank) => sum(own.filter((span) => span.rank === rank && kinds(span)).map(({wallSeconds}) => wallSeconds)));
    return [{
      step,
      seconds: end - start,
      busy: byRank(({kind}) => WORK.has(kind)),
      send: byRank(({kind, name}) => kind === 'communication' && name.startsWith('send')),
      // What is waited for after the last work is no bubble.
      wait: byRank(({kind, start: at}) => kind === 'wait' && at < end),
      first: Array.from({length: ranks}, (_, rank) => Math.min(...work.filter((span) => span.rank === rank).map((span) => span.start)) - start),
    }];
  });
}

/** The share of the ranks' time in which they did not work, sending taken away from it. */
export function bubbleOf({seconds, busy, send}: PipelineStep): number {
  const time = seconds * busy.length - sum(send);
  return time > 0 ? 1 - sum(busy) / time : 0;
}

/** By rank, the seconds of each compute of the schedule: the median over the steps that have all of them; null where none has. `first`: steps that are left out, in which the engine loads. */
export function measuredCosts(spans: readonly Span[], {actions}: Schedule, {onCore, first = 1}: {onCore: boolean; first?: number}): number[][] | null {
  const steps = [...new Set(spans.map(({step}) => step))].sort((a, b) => a - b);
  const costs = actions.map((list, rank): number[][] => {
    const count = list.filter((action) => !('peer' in action) && action.do !== 'update').length;
    const found: number[][] = [];
    for (const step of steps) {
      // Making the input belongs to the forward that it is for.
      let before = 0;
      const own: number[] = [];
      for (const {kind, wallSeconds, cpuSeconds} of spans.filter((span) => span.rank === rank && span.step === step).sort((a, b) => a.start - b.start)) {
        const seconds = onCore ? Math.min(wallSeconds, cpuSeconds) : wallSeconds;
        if (kind === 'input') before += seconds;
        else if (kind === 'forward' || kind === 'backward') {
          own.push(seconds + before);
          before = 0;
        }
      }
      if (own.length === count) found.push(own);
    }
    return found.length > first ? found.slice(first) : found;
  });
  if (costs.some((steps) => steps.length === 0)) return null;
  return costs.map((found) => found[0].map((_, i) => median(found.map((step) => step[i]))));
}

/** The schedule on a virtual clock with these costs, in seconds. */
export function replay(schedule: Schedule, costs: readonly number[][]): Playing {
  const place = schedule.actions.map((list) => new Map(list.filter((action): action is Compute => !('peer' in action) && action.do !== 'update').map((action, i) => [action, i])));
  return playSchedule(schedule, (action, rank) => costs[rank][place[rank].get(action)!]);
}

/** The cost of each kind of work in the mean over all ranks and micro-batches: what the stages would take if they were alike. */
export function evenCosts({actions}: Schedule, costs: readonly number[][]): CostOf {
  const kinds = new Map<Compute['do'], number[]>();
  actions.forEach((list, rank) => list.filter((action): action is Compute => !('peer' in action) && action.do !== 'update').forEach((action, i) => kinds.set(action.do, [...(kinds.get(action.do) ?? []), costs[rank][i]])));
  return ({do: kind}) => sum(kinds.get(kind)!) / kinds.get(kind)!.length;
}
