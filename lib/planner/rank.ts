/**
 * Orders the candidates of a plan, and says of each why it stands where it does.
 */
import {formatBytes} from '../base/units';
import type {ModelChoice} from './modelChoice';
import type {StepCost, StepParts} from './stepCost';
import type {DeviceMemory} from './memory';

/** Differences below this are not worth another device, or another division. */
const TOLERANCE = 0.05;

const seconds = (value: number) =>
  value >= 1 ? `${Number(value.toPrecision(3))} s` : `${Number((1000 * value).toPrecision(3))} ms`;

/** A choice with its predicted cost. */
export interface Candidate {
  choice: ModelChoice;
  cost: StepCost;
  memory: DeviceMemory;
  fits: boolean;
}

/** How much is divided, the least first: what decides between choices that are alike. */
const complexity = ({choice: {mesh, zero, recompute, microBatches}}: Candidate) => [
  mesh.size,
  Number(mesh.pipeline > 1) + Number(mesh.tensor > 1),
  zero,
  Number(recompute !== 'none'),
  microBatches,
];

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, i) => value !== other[i]);
  return at < 0 ? 0 : one[at] - other[at];
}

/**
 * What fits by time, then what does not by memory; at the top, of those that are alike, the
 * plainest.
 */
export function ranked(all: readonly Candidate[]): Candidate[] {
  const rest = [...all].sort(
    (a, b) =>
      Number(b.fits) - Number(a.fits) ||
      (a.fits ? a.cost.seconds - b.cost.seconds : a.memory.total - b.memory.total) ||
      compare(complexity(a), complexity(b)),
  );
  const alike = rest.filter(
    ({fits, cost}) => fits && cost.seconds <= (1 + TOLERANCE) * rest[0].cost.seconds,
  );
  if (alike.length === 0) return rest;
  const best = alike.reduce((least, one) =>
    compare(complexity(one), complexity(least)) < 0 ? one : least,
  );
  return [best, ...rest.filter((one) => one !== best)];
}

const WORDS: Record<keyof StepParts, string> = {
  compute: 'compute',
  bubble: "the pipeline's bubble",
  tensor: 'the sums between the parts of layers',
  pipeline: 'messages between stages',
  data: 'gradients and weights between replicas',
  update: 'the update',
  rest: 'input and all that surrounds it',
};

/** The row's verdict, in a sentence. */
export function reasonOf(
  one: Candidate,
  place: number,
  all: readonly Candidate[],
  limit: number,
  asked: number,
): string {
  const {
    choice: {mesh, pipeline},
    cost,
    memory,
    fits,
  } = one;
  const [best] = all;
  if (!fits) {
    const {total, ...kinds} = memory;
    const [kind, bytes] = Object.entries(kinds).reduce((most, next) =>
      next[1] > most[1] ? next : most,
    );
    return `does not fit: ${formatBytes(total)} on ${pipeline ? 'the fullest stage' : 'each device'}, of which ${formatBytes(bytes)} ${kind}; the limit is ${formatBytes(limit)}.`;
  }
  if (place === 0) {
    const alone = all.find(
      ({choice}) =>
        choice.mesh.size === 1 && choice.recompute === 'none' && choice.microBatches === 1,
    );
    if (mesh.size === 1)
      return `do not parallelise: the model fits one device, and nothing that ${asked} devices could do is more than ${Math.round(100 * TOLERANCE)} % faster; a step takes ${seconds(cost.seconds)}.`;
    const beside = alone?.fits
      ? `${Number((alone.cost.seconds / cost.seconds).toPrecision(3))} times as fast as one device, which takes ${seconds(alone.cost.seconds)}`
      : 'on one device it does not fit';
    const unused =
      mesh.size < asked
        ? `; ${asked - mesh.size} of ${asked} devices are left unused, since with them a step takes longer`
        : '';
    return `a step takes ${seconds(cost.seconds)}, ${beside}${unused}.`;
  }
  const more = (part: keyof StepParts) => cost.parts[part] - best.cost.parts[part];
  const part = (Object.keys(WORDS) as Array<keyof StepParts>).reduce((most, next) =>
    more(next) > more(most) ? next : most,
  );
  const ratio = cost.seconds / best.cost.seconds;
  return ratio < 1 + TOLERANCE
    ? `as fast as the best, within ${Math.round(100 * TOLERANCE)} %, with more that is divided.`
    : `${Number(ratio.toPrecision(3))} times as long as the best: ${WORDS[part]} takes ${seconds(cost.parts[part])}, there ${seconds(Math.max(0, best.cost.parts[part]))}.`;
}
