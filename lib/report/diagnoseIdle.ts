/**
 * `diagnoseIdle`, which says how long the ranks of a pipeline were idle, how much of that the
 * schedule predicts, and the likely cause of the rest.
 */
import {median, sum} from '../base/statistics';
import {ManyHandsError, shown} from '../base/errors';
import {bubbleOf, pipelineSteps, type PipelineStep} from '../pipelineParallel/recorded';
import type {Span} from '../trace/spans';
import {bubble, pipelineSpans, virtualCosts} from './bubble';
import type {TrainResult} from '../run/result';

/** Why the ranks of a pipeline are idle. */
export type IdleCause =
  | 'bubble'
  | 'unbalanced stages'
  | 'slow link'
  | 'a part connected late'
  | 'wrong order'
  | 'no core';

/** The result of `diagnoseIdle`. */
export interface IdleDiagnosis {
  /** The bubble that the schedule predicts, as a share of all ranks' time, from 0 to 1. */
  expected: number;
  /**
   * The measured bubble, from 0 to 1; with more workers than cores, the bubble on the virtual
   * clock.
   */
  measured: number;
  /** Median seconds per step that each rank worked, sent and waited. */
  ranks: Array<{rank: number; busySeconds: number; sendSeconds: number; waitSeconds: number}>;
  cause: IdleCause;
  /** The cause and its evidence, in a sentence. */
  reason: string;
}

/** A rank that works this many times as long as the others makes them wait; less is noise. */
const UNBALANCED = 1.5;
/** How far a measured bubble may exceed the predicted one, as a share of the time. */
const NEAR = 0.08;
/** Sending that takes a larger share of the ranks' time is slow. */
const SLOW_LINK = 0.1;

const percent = (share: number) => `${Math.round(100 * share)} %`;

interface Evidence {
  expected: number;
  measured: number;
  steps: PipelineStep[];
  /** By rank, seconds from the first span of all ranks to its own first span. */
  late: number[];
  /** By rank, seconds of work. */
  busy: number[];
  timeSliced: boolean;
}

function judge({expected, measured, steps, late, busy, timeSliced}: Evidence): {
  cause: IdleCause;
  reason: string;
} {
  const ranks = busy.length;
  const time = sum(steps.map(({seconds}) => seconds)) * ranks;
  const sends = Array.from({length: ranks}, (_, rank) => sum(steps.map(({send}) => send[rank])));
  const sender = sends.indexOf(Math.max(...sends));
  const slowest = busy.indexOf(Math.max(...busy));
  const times = busy[slowest] / median(busy.filter((_, rank) => rank !== slowest));
  const last = late.indexOf(Math.max(...late));
  if (sum(sends) / time > SLOW_LINK)
    return {
      cause: 'slow link',
      reason: `sending took ${percent(sum(sends) / time)} of the ranks' time, most of it on rank ${sender}: look at the link between it and its neighbour, or send less.`,
    };
  if (late[last] > 0.1 * sum(steps.map(({seconds}) => seconds)))
    return {
      cause: 'a part connected late',
      reason: `rank ${last} did nothing for the first ${(1000 * late[last]).toFixed(0)} ms, and the others waited for it: look at how it starts.`,
    };
  if (times > UNBALANCED)
    return {
      cause: 'unbalanced stages',
      reason: `rank ${slowest} works ${times.toFixed(1)} times as long as the others, which wait for it in every micro-batch: split the model elsewhere (splitAt, or balance: 'measured').`,
    };
  if (measured > expected + NEAR)
    return {
      cause: 'wrong order',
      reason: `the ranks are equally fast and their messages are quick, but they were idle ${percent(measured)} of the time, and the bubble of so many micro-batches is only ${percent(expected)}: look at the order in which a rank takes them.`,
    };
  if (timeSliced)
    return {
      cause: 'no core',
      reason: `more workers than cores took turns. On the virtual clock, where each worker has a core, they are idle ${percent(measured)} of the time, close to the ${percent(expected)} that the schedule predicts.`,
    };
  return {
    cause: 'bubble',
    reason: `the ranks were idle ${percent(measured)} of the time, and the schedule predicts ${percent(expected)}: nothing is broken. More micro-batches make this bubble smaller.`,
  };
}

function rankMedians(steps: PipelineStep[], ranks: number): IdleDiagnosis['ranks'] {
  return Array.from({length: ranks}, (_, rank) => ({
    rank,
    busySeconds: median(steps.map(({busy}) => busy[rank])),
    sendSeconds: median(steps.map(({send}) => send[rank])),
    waitSeconds: median(steps.map(({wait}) => wait[rank])),
  }));
}

function diagnoseResult(result: TrainResult): IdleDiagnosis {
  const {expected, measured, virtual, timeSliced} = bubble(result);
  if (measured === null)
    throw new ManyHandsError(
      'BAD_OPTION',
      'diagnoseIdle: the run kept no trace of its actions: train with trace: true.',
    );
  const ranks = result.plan.mesh.pipeline;
  const recorded = pipelineSteps(pipelineSpans(result), ranks);
  // The first step loads the engine.
  const steps = recorded.length > 1 ? recorded.slice(1) : recorded;
  const busy = virtualCosts(result)!.map(sum);
  const idleShare = timeSliced ? virtual! : measured;
  return {
    expected,
    measured: idleShare,
    ranks: rankMedians(steps, ranks),
    ...judge({expected, measured: idleShare, steps, late: busy.map(() => 0), busy, timeSliced}),
  };
}

function diagnoseSpans(spans: readonly Span[]): IdleDiagnosis {
  const ranks = 1 + Math.max(...spans.map(({rank}) => rank));
  const steps = pipelineSteps(spans, ranks);
  if (steps.length === 0 || ranks < 2)
    throw new ManyHandsError(
      'BAD_DATA',
      'diagnoseIdle: the spans have no forward or backward of two or more ranks.',
    );
  const forwards = Math.max(
    ...Array.from(
      {length: ranks},
      (_, rank) =>
        spans.filter(
          (span) => span.rank === rank && span.step === steps[0].step && span.kind === 'forward',
        ).length,
    ),
  );
  const expected = (ranks - 1) / (forwards + ranks - 1);
  const measured = median(steps.map(bubbleOf));
  const zero = Math.min(...spans.map(({start}) => start));
  const late = Array.from(
    {length: ranks},
    (_, rank) =>
      Math.min(...spans.filter((span) => span.rank === rank).map(({start}) => start)) - zero,
  );
  const busy = Array.from({length: ranks}, (_, rank) => sum(steps.map((step) => step.busy[rank])));
  return {
    expected,
    measured,
    ranks: rankMedians(steps, ranks),
    ...judge({expected, measured, steps, late, busy, timeSliced: false}),
  };
}

/**
 * Says how long the ranks of a pipeline were idle, how much of that the schedule predicts, and the
 * likely cause of the rest. Takes a result of `trainParallel`, or the spans of a pipeline written
 * with `spmd`, whose predicted bubble is (p - 1) / (m + p - 1) for p ranks and m forwards per step
 * (Huang et al. 2019, "GPipe"). Shares are from 0 to 1, times in seconds per step. Throws BAD_OPTION
 * for a result without a pipeline or without a trace, and BAD_DATA for spans without the forwards or
 * backwards of two ranks.
 */
export function diagnoseIdle(source: TrainResult | readonly Span[]): IdleDiagnosis {
  if (Array.isArray(source)) return diagnoseSpans(source as readonly Span[]);
  if (source === null || typeof source !== 'object' || !('plan' in source))
    throw new ManyHandsError(
      'BAD_OPTION',
      `diagnoseIdle needs a result of trainParallel or a list of spans; it got ${shown(source)}.`,
    );
  return diagnoseResult(source as TrainResult);
}
