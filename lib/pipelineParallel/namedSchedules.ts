/**
 * The published pipeline schedules by name, for p ranks and m micro-batches.
 */
import {oneOf, shown} from '../base/errors';
import {readOptions, refuseOption, wholeNumber, type OptionTable} from '../base/options';
import {withMessages, type Compute, type Schedule} from './schedule';

/** The names of the built-in schedules. */
export type ScheduleName = 'naive' | 'gpipe' | '1f1b' | 'interleaved-1f1b' | 'zero-bubble';
export const SCHEDULE_NAMES: readonly ScheduleName[] = [
  'naive',
  'gpipe',
  '1f1b',
  'interleaved-1f1b',
  'zero-bubble',
];

const range = (n: number) => Array.from({length: Math.max(0, n)}, (_, i) => i);
const compute = (kind: Compute['do'], microBatch: number, localStage = 0): Compute => ({
  do: kind,
  microBatch,
  localStage,
});

/** One micro-batch at a time through all stages and back, so that only one rank works at a time. */
function naive(p: number, m: number): Compute[][] {
  return range(p).map(() =>
    range(m).flatMap((i) => [compute('forward', i), compute('backward', i)]),
  );
}

/**
 * All forwards, then all backwards in reverse order (Huang et al. 2019, "GPipe", figure 2c).
 */
function gpipe(p: number, m: number): Compute[][] {
  return range(p).map(() => [
    ...range(m).map((i) => compute('forward', i)),
    ...range(m).map((i) => compute('backward', m - 1 - i)),
  ]);
}

/**
 * Rank s runs p - s - 1 forwards to warm up, then one forward and one backward in turn (Narayanan
 * et al. 2019, "PipeDream"; with a flush: 2021, "Efficient large-scale language model training",
 * figure 4 top).
 */
function oneForwardOneBackward(p: number, m: number): Compute[][] {
  return range(p).map((s) => {
    const warm = Math.min(p - s - 1, m);
    const steady = range(m - warm).flatMap((i) => [
      compute('forward', warm + i),
      compute('backward', i),
    ]);
    return [
      ...range(warm).map((i) => compute('forward', i)),
      ...steady,
      ...range(warm).map((i) => compute('backward', m - warm + i)),
    ];
  });
}

/**
 * 1F1B over v stages a rank, with p micro-batches of one local stage at a time (Narayanan et al.
 * 2021, section 2.2 and figure 4 bottom).
 */
function interleaved(p: number, m: number, v: number): Compute[][] {
  const total = m * v;
  const nth = (kind: Compute['do'], k: number): Compute => {
    const localStage = Math.floor((k % (p * v)) / p);
    return compute(
      kind,
      Math.floor(k / (p * v)) * p + (k % p),
      kind === 'forward' ? localStage : v - 1 - localStage,
    );
  };
  return range(p).map((s) => {
    const warm = Math.min((p - s - 1) * 2 + (v - 1) * p, total);
    const steady = range(total - warm).flatMap((k) => [
      nth('forward', warm + k),
      nth('backward', k),
    ]);
    return [
      ...range(warm).map((k) => nth('forward', k)),
      ...steady,
      ...range(warm).map((k) => nth('backward', total - warm + k)),
    ];
  });
}

/**
 * ZB-H1: 1F1B with a split backward. Rank s delays the weights' part by s micro-batches, which
 * fills its wait at the end (Qi et al. 2023, "Zero bubble pipeline parallelism", section 2.2 and
 * figure 3).
 */
function zeroBubble(p: number, m: number): Compute[][] {
  return range(p).map((s) => {
    const warm = Math.min(p - s, m);
    const list = range(warm).map((i) => compute('forward', i));
    for (const k of range(m)) {
      list.push(compute('backwardInput', k));
      if (k >= s) list.push(compute('backwardWeights', k - s));
      if (warm + k < m) list.push(compute('forward', warm + k));
    }
    return [
      ...list,
      ...range(Math.min(s, m)).map((i) => compute('backwardWeights', m - Math.min(s, m) + i)),
    ];
  });
}

/** The sizes of a schedule. */
export interface ScheduleSizes {
  /** Ranks, p. */
  ranks: number;
  /** Micro-batches of a step, m. */
  microBatches: number;
  /** Stages a rank, v; more than 1 only for 'interleaved-1f1b'. @default 2 there, else 1 */
  stagesPerRank?: number;
}

const SIZES: OptionTable<ScheduleSizes> = {
  ranks: wholeNumber(1),
  microBatches: wholeNumber(1),
  'stagesPerRank?': wholeNumber(1),
};

function checkName(name: ScheduleName): void {
  if (!SCHEDULE_NAMES.includes(name))
    refuseOption(
      `schedule must be ${oneOf(SCHEDULE_NAMES)}, or {name, actions}; it is ${shown(name)}.`,
    );
}

/** The number of stages a rank of a named schedule, if the caller names none. */
export const defaultStagesPerRank = (name: ScheduleName | string): number =>
  name === 'interleaved-1f1b' ? 2 : 1;

/**
 * The schedule with this name for p ranks and m micro-batches, with messages and updates. Throws
 * BAD_OPTION for wrong sizes; 'interleaved-1f1b' also needs m to be divisible by p.
 */
export function pipelineSchedule(name: ScheduleName, sizes: ScheduleSizes): Schedule {
  checkName(name);
  const {
    ranks: p,
    microBatches: m,
    stagesPerRank: v = defaultStagesPerRank(name),
  } = readOptions('pipelineSchedule', sizes, SIZES);
  if (name !== 'interleaved-1f1b' && v > 1)
    refuseOption(
      `stagesPerRank: ${v} gives each rank ${v} stages, which the schedule '${name}' does not interleave: leave stagesPerRank out, or take schedule: 'interleaved-1f1b'.`,
    );
  if (name === 'interleaved-1f1b') {
    if (v < 2)
      refuseOption(
        `schedule 'interleaved-1f1b' needs stagesPerRank of at least 2; it is ${v}. For one stage a rank, take '1f1b'.`,
      );
    if (m % p !== 0) {
      const below = Math.floor(m / p) * p;
      refuseOption(
        `schedule 'interleaved-1f1b' takes micro-batches ${p} at a time, one for each rank, but microBatches ${m} is not divisible by ${p}: take ${below > 0 ? `${below} or ${below + p}` : p}.`,
      );
    }
  }
  const builders: Record<ScheduleName, () => Compute[][]> = {
    naive: () => naive(p, m),
    gpipe: () => gpipe(p, m),
    '1f1b': () => oneForwardOneBackward(p, m),
    'interleaved-1f1b': () => interleaved(p, m, v),
    'zero-bubble': () => zeroBubble(p, m),
  };
  return {name, actions: withMessages(builders[name]())};
}

/**
 * By rank, the most micro-batches, counted for each local stage, whose activations the schedule
 * keeps alive at once.
 */
export function promisedLive(
  name: ScheduleName,
  {ranks: p, microBatches: m, stagesPerRank}: ScheduleSizes,
): number[] {
  const v = stagesPerRank ?? defaultStagesPerRank(name);
  const promise: Record<ScheduleName, (s: number) => number> = {
    naive: () => 1,
    gpipe: () => m,
    '1f1b': (s) => Math.min(p - s, m),
    'interleaved-1f1b': (s) => Math.min((p - s - 1) * 2 + (v - 1) * p + 1, m * v),
    'zero-bubble': () => Math.min(p, m),
  };
  return range(p).map(promise[name]);
}

/**
 * The bubble of a named schedule: the share of all ranks' time in which they are idle, from 0 to 1,
 * if all stages take the same time and messages take none. naive: (p-1)/p; gpipe and 1f1b:
 * (p-1)/(m+p-1); interleaved-1f1b: (p-1)/(vm+p-1) (Narayanan et al. 2021, section 2.2, there as a
 * share of the ideal time); zero-bubble with three parts of equal cost: (p-1)/(3m+p-1) (Qi et al.
 * 2023, section 2.2). Throws BAD_OPTION.
 */
export function bubbleFormula(name: ScheduleName, sizes: ScheduleSizes): number {
  checkName(name);
  const {
    ranks: p,
    microBatches: m,
    stagesPerRank: v = defaultStagesPerRank(name),
  } = readOptions('bubbleFormula', sizes, SIZES);
  const formulas: Record<ScheduleName, number> = {
    naive: (p - 1) / p,
    gpipe: (p - 1) / (m + p - 1),
    '1f1b': (p - 1) / (m + p - 1),
    'interleaved-1f1b': (p - 1) / (v * m + p - 1),
    'zero-bubble': (p - 1) / (3 * m + p - 1),
  };
  return formulas[name];
}
