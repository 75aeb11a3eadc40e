/**
 * The field's schedules, for p ranks and m micro-batches.
 */
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {withMessages, type Compute, type Schedule} from './schedule';

/** Their names. */
export type ScheduleName = 'naive' | 'gpipe' | '1f1b' | 'interleaved-1f1b' | 'zero-bubble';
export const SCHEDULE_NAMES: readonly ScheduleName[] = [
  'naive',
  'gpipe',
  '1f1b',
  'interleaved-1f1b',
  'zero-bubble',
];

const count = (n: number) => Array.from({length: Math.max(0, n)}, (_, i) => i);
const at = (kind: Compute['do'], microBatch: number, localStage = 0): Compute => ({
  do: kind,
  microBatch,
  localStage,
});

/** One micro-batch at a time through all stages and back: never more than one rank works. */
function naive(p: number, m: number): Compute[][] {
  return count(p).map(() => count(m).flatMap((i) => [at('forward', i), at('backward', i)]));
}

/**
 * All forwards, then all backwards (Huang et al. 2019, "GPipe", figure 2c), the last micro-batch
 * first: its activations are the newest.
 */
function gpipe(p: number, m: number): Compute[][] {
  return count(p).map(() => [
    ...count(m).map((i) => at('forward', i)),
    ...count(m).map((i) => at('backward', m - 1 - i)),
  ]);
}

/**
 * After p - s - 1 forwards to warm up, one forward and one backward in turn (Narayanan et al. 2019,
 * "PipeDream", with a flush: 2021, "Efficient large-scale language model training", figure 4 top).
 */
function oneForwardOneBackward(p: number, m: number): Compute[][] {
  return count(p).map((s) => {
    const warm = Math.min(p - s - 1, m);
    const steady = count(m - warm).flatMap((i) => [at('forward', warm + i), at('backward', i)]);
    return [
      ...count(warm).map((i) => at('forward', i)),
      ...steady,
      ...count(warm).map((i) => at('backward', m - warm + i)),
    ];
  });
}

/**
 * The same over v stages per rank, p micro-batches of one local stage at a time (Narayanan et al. 2021,
 * section 2.2 and figure 4 bottom).
 */
function interleaved(p: number, m: number, v: number): Compute[][] {
  const total = m * v;
  const nth = (kind: Compute['do'], k: number): Compute => {
    const localStage = Math.floor((k % (p * v)) / p);
    return at(
      kind,
      Math.floor(k / (p * v)) * p + (k % p),
      kind === 'forward' ? localStage : v - 1 - localStage,
    );
  };
  return count(p).map((s) => {
    const warm = Math.min((p - s - 1) * 2 + (v - 1) * p, total);
    const steady = count(total - warm).flatMap((k) => [
      nth('forward', warm + k),
      nth('backward', k),
    ]);
    return [
      ...count(warm).map((k) => nth('forward', k)),
      ...steady,
      ...count(warm).map((k) => nth('backward', total - warm + k)),
    ];
  });
}

/**
 * ZB-H1: 1F1B whose backward is cut in two; rank s puts the weights' part off by s micro-batches,
 * which fills its wait at the end (Qi et al. 2023, "Zero bubble pipeline parallelism", section 2.2
 * and figure 3).
 */
function zeroBubble(p: number, m: number): Compute[][] {
  return count(p).map((s) => {
    const warm = Math.min(p - s, m);
    const list = count(warm).map((i) => at('forward', i));
    for (const k of count(m)) {
      list.push(at('backwardInput', k));
      if (k >= s) list.push(at('backwardWeights', k - s));
      if (warm + k < m) list.push(at('forward', warm + k));
    }
    return [
      ...list,
      ...count(Math.min(s, m)).map((i) => at('backwardWeights', m - Math.min(s, m) + i)),
    ];
  });
}

/** Sizes of a schedule. */
export interface ScheduleSizes {
  /** Ranks, p. */
  ranks: number;
  /** Micro-batches of a step, m. */
  microBatches: number;
  /** Stages a rank, v; more than 1 with 'interleaved-1f1b' alone. @default 2 there, else 1 */
  stagesPerRank?: number;
}

function whole(name: string, value: unknown, least: number): void {
  if (!Number.isInteger(value) || (value as number) < least)
    throw new ManyHandsError(
      'BAD_OPTION',
      `a schedule's ${name} must be a whole number from ${least}; it is ${shown(value)}.`,
    );
}

/** Stages a rank of a named schedule where none are asked for. */
export const defaultStagesPerRank = (name: ScheduleName | string): number =>
  name === 'interleaved-1f1b' ? 2 : 1;

/**
 * A schedule by its name. Throws BAD_OPTION, for 'interleaved-1f1b' also where m is not divisible
 * by p, with the nearest two.
 */
export function pipelineSchedule(
  name: ScheduleName,
  {ranks: p, microBatches: m, stagesPerRank}: ScheduleSizes,
): Schedule {
  if (!SCHEDULE_NAMES.includes(name))
    throw new ManyHandsError(
      'BAD_OPTION',
      `schedule must be ${oneOf(SCHEDULE_NAMES as string[])}, or {name, actions}; it is ${shown(name)}.`,
    );
  const v = stagesPerRank ?? defaultStagesPerRank(name);
  whole('ranks', p, 1);
  whole('microBatches', m, 1);
  whole('stagesPerRank', v, 1);
  if (name !== 'interleaved-1f1b' && v > 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `stagesPerRank: ${v} gives each rank ${v} stages, which the schedule '${name}' does not interleave: leave stagesPerRank out, or take schedule: 'interleaved-1f1b'.`,
    );
  if (name === 'interleaved-1f1b') {
    if (v < 2)
      throw new ManyHandsError(
        'BAD_OPTION',
        `schedule 'interleaved-1f1b' wants stagesPerRank from 2, stages a rank; it is ${v}. With one, take '1f1b'.`,
      );
    if (m % p !== 0) {
      const below = Math.floor(m / p) * p;
      throw new ManyHandsError(
        'BAD_OPTION',
        `schedule 'interleaved-1f1b' takes micro-batches ${p} at a time, as many as ranks, and microBatches ${m} is not divisible by ${p}: take ${below > 0 ? `${below} or ${below + p}` : p}.`,
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
 * At most so many micro-batches' activations (of one local stage each) are alive at once on each rank, as
 * the schedule promises.
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
  return count(p).map(promise[name]);
}

/**
 * The bubble as a share of the total time, where all stages take the same and messages no time:
 * naive (p-1)/p; gpipe and 1f1b (p-1)/(m+p-1); interleaved (p-1)/(vm+p-1); zero-bubble, whose three
 * parts cost the same, (p-1)/(3m+p-1).
 */
export function bubbleFormula(
  name: ScheduleName,
  {ranks: p, microBatches: m, stagesPerRank}: ScheduleSizes,
): number {
  const v = stagesPerRank ?? defaultStagesPerRank(name);
  const formulas: Record<ScheduleName, number> = {
    naive: (p - 1) / p,
    gpipe: (p - 1) / (m + p - 1),
    '1f1b': (p - 1) / (m + p - 1),
    'interleaved-1f1b': (p - 1) / (v * m + p - 1),
    'zero-bubble': (p - 1) / (3 * m + p - 1),
  };
  return formulas[name];
}
