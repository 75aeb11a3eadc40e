/**
 * Measured times of a step on one worker, by layer call; the median of a run, the mean of several
 * runs, and the times at sizes that were not measured.
 */
import {median, sum} from '../base/statistics';
import type {TrainResult} from '../run/result';

/** A step of one worker over `samples` samples; all times in seconds. */
export interface StepTimes {
  samples: number;
  /** How many workers took such steps at the same time. */
  workers: number;
  /** By layer call. */
  forward: number[];
  /** By layer call. */
  backward: number[];
  /** Seconds of the loss, its gradient and the metrics. */
  loss: number;
  /** Seconds of making the input. */
  input: number;
  /** Seconds of the optimizer. */
  update: number;
  /** Seconds of everything else in a step. */
  rest: number;
  /**
   * The ratio of the slowest worker's step to the mean of all workers' steps: what ranks that wait
   * for each other lose. 1 for a single worker.
   */
  slowest: number;
}

/** A run's steps without the first third, in which code is not warm yet. */
export const warmSteps = <T>(steps: readonly T[]): T[] => steps.slice(Math.ceil(steps.length / 3));

/** The median times of a run's warm steps. `names`: the layer of each call, in call order. */
export function medianTimes(
  {trace: {spans}, record}: TrainResult,
  names: readonly string[],
  samples: number,
  workers: number,
): StepTimes {
  const steps = warmSteps(record.steps.map((_, step) => step));
  /** The span of this kind and name that is number `occurrence` in its step. */
  const namedSeconds = (kind: string, name: string, occurrence = 0) =>
    median(
      steps.map((step) => {
        const matches = spans.filter(
          (span) => span.step === step && span.kind === kind && span.name === name,
        );
        return matches[occurrence]?.wallSeconds ?? 0;
      }),
    );
  const kindSeconds = (kind: string) =>
    median(
      steps.map((step) => {
        const matches = spans.filter((span) => span.step === step && span.kind === kind);
        return sum(matches.map(({wallSeconds}) => wallSeconds));
      }),
    );
  // A layer that is called several times has a span for each call.
  const earlierCalls = (i: number) => names.slice(0, i).filter((name) => name === names[i]).length;
  const laterCalls = (i: number) => names.slice(i + 1).filter((name) => name === names[i]).length;
  const forward = names.map((name, i) => namedSeconds('forward', name, earlierCalls(i)));
  // The backward pass reaches a layer's last call first.
  const backward = names.map((name, i) => namedSeconds('backward', name, laterCalls(i)));
  const loss = namedSeconds('forward', 'loss');
  const input = kindSeconds('input');
  const update = kindSeconds('update');
  const total = median(warmSteps(record.steps).map(({seconds}) => seconds));
  const accounted = sum([loss, input, update, ...forward, ...backward]);
  return {
    samples,
    workers,
    forward,
    backward,
    loss,
    input,
    update,
    rest: Math.max(0, total - accounted),
    slowest: 1,
  };
}

/** The mean of several measurements of one size. */
export function meanTimes(measurements: readonly StepTimes[]): StepTimes {
  const mean = (seconds: (times: StepTimes) => number) =>
    sum(measurements.map(seconds)) / measurements.length;
  const byCall = (kind: 'forward' | 'backward') =>
    measurements[0][kind].map((_, i) => mean((times) => times[kind][i]));
  return {
    ...measurements[0],
    forward: byCall('forward'),
    backward: byCall('backward'),
    loss: mean(({loss}) => loss),
    input: mean(({input}) => input),
    update: mean(({update}) => update),
    rest: mean(({rest}) => rest),
    slowest: mean(({slowest}) => slowest),
  };
}

/**
 * The times at any number of samples, from those measured with `workers` workers. Between measured
 * sizes they are interpolated linearly, beyond them extrapolated.
 */
export function timesAt(times: readonly StepTimes[], samples: number, workers: number): StepTimes {
  const measured = times
    .filter((entry) => entry.workers === workers)
    .sort((a, b) => a.samples - b.samples);
  const exact = measured.find((entry) => entry.samples === samples);
  if (exact) return exact;
  if (measured.length === 1) return scaled(measured[0], samples);
  const [low, high] = neighbours(measured, samples);
  const share = (samples - low.samples) / (high.samples - low.samples);
  const between = (a: number, b: number) => Math.max(0, a + share * (b - a));
  return {
    samples,
    workers,
    forward: low.forward.map((seconds, i) => between(seconds, high.forward[i])),
    backward: low.backward.map((seconds, i) => between(seconds, high.backward[i])),
    slowest: between(low.slowest, high.slowest),
    loss: between(low.loss, high.loss),
    input: between(low.input, high.input),
    update: between(low.update, high.update),
    rest: between(low.rest, high.rest),
  };
}

/** The two measurements around `samples`, or the first or last two where it lies outside. */
function neighbours(measured: readonly StepTimes[], samples: number): [StepTimes, StepTimes] {
  const larger = measured.findIndex((entry) => entry.samples > samples);
  const high = larger < 0 ? measured.length - 1 : Math.max(1, larger);
  return [measured[high - 1], measured[high]];
}

/** The times at `samples` from one measured size: times of layers and input are proportional. */
function scaled(times: StepTimes, samples: number): StepTimes {
  const factor = samples / times.samples;
  return {
    ...times,
    samples,
    forward: times.forward.map((seconds) => seconds * factor),
    backward: times.backward.map((seconds) => seconds * factor),
    loss: times.loss * factor,
    input: times.input * factor,
  };
}
