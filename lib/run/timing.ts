/**
 * What a step's time was, by rank, from the spans.
 */
import {median, sum} from '../base/statistics';
import type {Span} from '../trace/spans';

/** Mean seconds of one step on one rank. */
export interface RankTiming {
  rank: number;
  /** Samples that this rank walked in all steps. */
  samples: number;
  /** They, by the wall time of all its steps. */
  samplesPerSecond: number;
  /** On a processor: input, forward, backward and update. */
  computeSeconds: number;
  /** Buckets on their way, by the helper thread, beside compute or after it. */
  communicationSeconds: number;
  /** The rank's own thread stood and waited for the last bucket. */
  waitSeconds: number;
  /** Ready, but no core was free for it. */
  noCoreSeconds: number;
}

const COMPUTE = new Set(['forward', 'backward', 'update', 'input']);

/**
 * A rank's timing from its spans; on a GPU the time without a core is that in which the process
 * waits for the device.
 */
export function timingOf(
  rank: number,
  spans: Span[],
  samples: number,
  steps: number,
  seconds: number,
): RankTiming {
  const over = steps > 0 ? steps : 1;
  const compute = spans.filter((span) => COMPUTE.has(span.kind));
  const onCore = (span: Span) => Math.min(span.wallSeconds, span.cpuSeconds);
  return {
    rank,
    samples,
    samplesPerSecond: seconds > 0 ? samples / seconds : 0,
    computeSeconds: sum(compute.map(onCore)) / over,
    communicationSeconds:
      sum(spans.filter((span) => span.kind === 'communication').map((span) => span.wallSeconds)) /
      over,
    waitSeconds:
      sum(spans.filter((span) => span.kind === 'wait').map((span) => span.wallSeconds)) / over,
    noCoreSeconds: sum(compute.map((span) => span.wallSeconds - onCore(span))) / over,
  };
}

/**
 * A rank whose part of a step takes longer than the others', and how many times the median of
 * theirs.
 */
export interface Straggler {
  rank: number;
  /** Its part of a step by the median of the others'. */
  times: number;
}

/** Below this, ranks differ as machines differ. */
const LATE = 1.5;

/**
 * The rank that the others wait for; null where none stands out, or where nothing was traced. A
 * rank that sleeps is as late as one that computes, so the time without a core counts.
 */
export function stragglerOf(timing: readonly RankTiming[]): Straggler | null {
  if (timing.length < 2) return null;
  const busy = timing.map(({computeSeconds, noCoreSeconds}) => computeSeconds + noCoreSeconds);
  const rank = busy.indexOf(Math.max(...busy));
  const others = median(busy.filter((_, other) => other !== rank));
  return others > 0 && busy[rank] / others >= LATE ? {rank, times: busy[rank] / others} : null;
}
