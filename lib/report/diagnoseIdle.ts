/**
 * Who of a pipeline's ranks was idle, how much of that its schedule foretells, and the
 * likely cause of the rest.
 */
import {median, sum} from '../base/statistics';
import {ManyHandsError, shown} from '../base/errors';
import {bubbleOf, pipelineSteps, type PipelineStep} from '../pipelineParallel/recorded';
import type {Span} from '../trace/spans';
import {bubble, pipelineSpans, virtualCosts} from './bubble';
import type {TrainResult} from '../run/result';

/** Why ranks of a pipeline stand idle. */
export type IdleCause =
  | 'bubble'
  | 'unbalanced stages'
  | 'slow link'
  | 'a part connected late'
  | 'wrong order'
  | 'no core';

/** What `idle` found. */
export interface IdleDiagnosis {
  /** The bubble that the schedule foretells, as a share of all ranks' time, from 0 to 1. */
  expected: number;
  /**
   * The bubble that was measured, or that the virtual clock shows where there were more workers
   * than cores, from 0 to 1.
   */
  measured: number;
  /** Seconds of the median step that each rank worked, sent and waited. */
  ranks: Array<{rank: number; busySeconds: number; sendSeconds: number; waitSeconds: number}>;
  cause: IdleCause;
  /** The cause in a sentence, with its evidence. */
  reason: string;
}

/** Ranks differ as machines differ; beyond this the others wait for one. */
const UNBALANCED = 1.5;
/** Points of the whole time that a measured bubble may stand above the foretold one. */
const NEAR = 0.08;
const SLOW_LINK = 0.1;

const percent = (share: number) => `${Math.round(100 * share)} %`;

interface Evidence {
  expected: number;
  measured: number;
  steps: PipelineStep[];
  /** By rank, seconds after the first of all that it said anything. */
  late: number[];
  /** Seconds of work by rank. */
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
      reason: `rank ${last} said nothing for the first ${(1000 * late[last]).toFixed(0)} ms, and the others waited for it: look at how it starts.`,
    };
  if (times > UNBALANCED)
    return {
      cause: 'unbalanced stages',
      reason: `rank ${slowest} works ${times.toFixed(1)} times as long as the others, which wait for it in every micro-batch: cut the model elsewhere (splitAt, or balance: 'measured').`,
    };
  if (measured > expected + NEAR)
    return {
      cause: 'wrong order',
      reason: `the ranks are alike and their messages are quick, but they stood idle ${percent(measured)} of the time, where ${percent(expected)} is the bubble of so many micro-batches: look at the order in which a rank takes them.`,
    };
  if (timeSliced)
    return {
      cause: 'no core',
      reason: `there were more workers than cores, which took turns. On the virtual clock, where each has a core, they stand idle ${percent(measured)} of the time, near the ${percent(expected)} that the schedule foretells.`,
    };
  return {
    cause: 'bubble',
    reason: `the ranks stood idle ${percent(measured)} of the time, and the schedule foretells ${percent(expected)}: nothing is broken. More micro-batches make this bubble smaller.`,
  };
}

function ofSteps(steps: PipelineStep[], ranks: number): IdleDiagnosis['ranks'] {
  return Array.from({length: ranks}, (_, rank) => ({
    rank,
    busySeconds: median(steps.map(({busy}) => busy[rank])),
    sendSeconds: median(steps.map(({send}) => send[rank])),
    waitSeconds: median(steps.map(({wait}) => wait[rank])),
  }));
}

function ofResult(result: TrainResult): IdleDiagnosis {
  const {expected, measured, virtual, timeSliced} = bubble(result);
  if (measured === null)
    throw new ManyHandsError(
      'BAD_OPTION',
      'idle: the run kept no trace of its actions: train with trace: true.',
    );
  const ranks = result.plan.mesh.pipeline;
  const all = pipelineSteps(pipelineSpans(result), ranks);
  // The first step loads the engine.
  const steps = all.length > 1 ? all.slice(1) : all;
  const busy = virtualCosts(result)!.map(sum);
  const shown = timeSliced ? virtual! : measured;
  return {
    expected,
    measured: shown,
    ranks: ofSteps(steps, ranks),
    ...judge({expected, measured: shown, steps, late: busy.map(() => 0), busy, timeSliced}),
  };
}

function ofSpans(spans: readonly Span[]): IdleDiagnosis {
  const ranks = 1 + Math.max(...spans.map(({rank}) => rank));
  const steps = pipelineSteps(spans, ranks);
  if (steps.length === 0 || ranks < 2)
    throw new ManyHandsError(
      'BAD_DATA',
      'idle: the spans hold no forward or backward of two ranks or more.',
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
    ranks: ofSteps(steps, ranks),
    ...judge({expected, measured, steps, late, busy, timeSliced: false}),
  };
}

/**
 * Who was idle in a pipeline, beside what its schedule foretells, and the likely cause: of a result
 * of `trainParallel`, or of the spans of a pipeline written with `spmd` (its bubble is then
 * (p-1)/(m+p-1), m being the forwards of a step). Throws BAD_OPTION and BAD_DATA.
 */
export function diagnoseIdle(of: TrainResult | readonly Span[]): IdleDiagnosis {
  if (Array.isArray(of)) return ofSpans(of as readonly Span[]);
  if (of === null || typeof of !== 'object' || !('plan' in of))
    throw new ManyHandsError(
      'BAD_OPTION',
      `idle wants a result of trainParallel, or a list of spans; it is ${shown(of)}.`,
    );
  return ofResult(of as TrainResult);
}
