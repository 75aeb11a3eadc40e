/**
 * Computes from the spans how each rank spent the time of a step.
 */
import {median, sum} from '../base/statistics';
import type {Span} from '../trace/spans';

/** How one rank spent its time: seconds are means per step. */
export interface RankTiming {
  rank: number;
  /** The samples that this rank processed in all steps. */
  samples: number;
  /** `samples` divided by the wall time of all steps. */
  samplesPerSecond: number;
  /** Seconds on a core for input, forward, backward and update. */
  computeSeconds: number;
  /** Seconds in which the helper threads communicated, during compute or after it. */
  communicationSeconds: number;
  /** Seconds in which the rank's own thread waited for communication. */
  waitSeconds: number;
  /** Seconds in which the rank was ready to compute but had no core. */
  noCoreSeconds: number;
}

const COMPUTE = new Set(['forward', 'backward', 'update', 'input']);

/**
 * A rank's timing from its spans. On a GPU, `noCoreSeconds` is the time in which the process waits
 * for the device.
 */
export function timingOf(
  rank: number,
  spans: Span[],
  samples: number,
  steps: number,
  seconds: number,
): RankTiming {
  const stepCount = steps > 0 ? steps : 1;
  const compute = spans.filter((span) => COMPUTE.has(span.kind));
  const onCore = (span: Span) => Math.min(span.wallSeconds, span.cpuSeconds);
  return {
    rank,
    samples,
    samplesPerSecond: seconds > 0 ? samples / seconds : 0,
    computeSeconds: sum(compute.map(onCore)) / stepCount,
    communicationSeconds:
      sum(spans.filter((span) => span.kind === 'communication').map((span) => span.wallSeconds)) /
      stepCount,
    waitSeconds:
      sum(spans.filter((span) => span.kind === 'wait').map((span) => span.wallSeconds)) / stepCount,
    noCoreSeconds: sum(compute.map((span) => span.wallSeconds - onCore(span))) / stepCount,
  };
}

/**
 * A rank whose work in a step takes much longer than that of the other ranks.
 */
export interface Straggler {
  rank: number;
  /** The time of its work divided by the median time of the other ranks. */
  times: number;
}

/** Smaller ratios are normal on any machine. */
const LATE = 1.5;

/**
 * The rank that the others wait for; null if no rank is much slower, or if nothing was traced. Time
 * without a core counts, because it delays the other ranks just as compute does.
 */
export function stragglerOf(timing: readonly RankTiming[]): Straggler | null {
  if (timing.length < 2) return null;
  const busy = timing.map(({computeSeconds, noCoreSeconds}) => computeSeconds + noCoreSeconds);
  const rank = busy.indexOf(Math.max(...busy));
  const others = median(busy.filter((_, other) => other !== rank));
  return others > 0 && busy[rank] / others >= LATE ? {rank, times: busy[rank] / others} : null;
}
