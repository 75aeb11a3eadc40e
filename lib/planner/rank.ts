/**
 * Ranks the candidates of a plan, and explains the position of each.
 */
import {formatBytes} from '../base/units';
import type {ModelChoice} from './modelChoice';
import type {StepCost, StepParts} from './stepCost';
import type {DeviceMemory} from './memory';

/** A smaller difference in time is not worth another device or a more complex strategy. */
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

/** How much a choice divides, as a list of numbers: it decides between near-ties. */
const complexity = ({choice: {mesh, zero, recompute, microBatches}}: Candidate) => [
  mesh.size,
  Number(mesh.pipeline > 1) + Number(mesh.tensor > 1),
  zero,
  Number(recompute !== 'none'),
  microBatches,
];

/** Compares two lists by the first number in which they differ. */
function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((value, i) => value !== b[i]);
  return index < 0 ? 0 : a[index] - b[index];
}

/**
 * Orders candidates: those that fit by step time, then those that do not fit by memory. Among
 * near-ties (5 %) for the first place, the simplest comes first.
 */
export function ranked(candidates: readonly Candidate[]): Candidate[] {
  const sorted = [...candidates].sort(
    (a, b) =>
      Number(b.fits) - Number(a.fits) ||
      (a.fits ? a.cost.seconds - b.cost.seconds : a.memory.total - b.memory.total) ||
      compare(complexity(a), complexity(b)),
  );
  const nearTies = sorted.filter(
    ({fits, cost}) => fits && cost.seconds <= (1 + TOLERANCE) * sorted[0].cost.seconds,
  );
  if (nearTies.length === 0) return sorted;
  const best = nearTies.reduce((simplest, candidate) =>
    compare(complexity(candidate), complexity(simplest)) < 0 ? candidate : simplest,
  );
  return [best, ...sorted.filter((candidate) => candidate !== best)];
}

const WORDS: Record<keyof StepParts, string> = {
  compute: 'compute',
  bubble: "the pipeline's bubble",
  tensor: 'communication between the shards of layers',
  pipeline: 'messages between stages',
  data: 'gradients and weights between replicas',
  update: 'the update',
  rest: 'input and everything else',
};

/** The verdict on a row, in a sentence. */
export function reasonOf(
  candidate: Candidate,
  position: number,
  candidates: readonly Candidate[],
  limit: number,
  devices: number,
): string {
  const {
    choice: {mesh, pipeline},
    cost,
    memory,
    fits,
  } = candidate;
  const [best] = candidates;
  if (!fits) {
    const {total, ...kinds} = memory;
    const [kind, bytes] = Object.entries(kinds).reduce((most, next) =>
      next[1] > most[1] ? next : most,
    );
    return `does not fit: ${formatBytes(total)} on ${pipeline ? 'the fullest stage' : 'each device'}, including ${formatBytes(bytes)} of ${kind}; the limit is ${formatBytes(limit)}.`;
  }
  if (position === 0) {
    const alone = candidates.find(
      ({choice}) =>
        choice.mesh.size === 1 && choice.recompute === 'none' && choice.microBatches === 1,
    );
    if (mesh.size === 1)
      return `do not parallelise: the model fits one device, and no strategy for ${devices} devices is more than ${Math.round(100 * TOLERANCE)} % faster; a step takes ${seconds(cost.seconds)}.`;
    const comparison = alone?.fits
      ? `${Number((alone.cost.seconds / cost.seconds).toPrecision(3))} times as fast as one device, which takes ${seconds(alone.cost.seconds)}`
      : 'and one device alone cannot hold the model';
    const unused =
      mesh.size < devices
        ? `; ${devices - mesh.size} of ${devices} devices are left unused, since a step would take longer with them`
        : '';
    return `a step takes ${seconds(cost.seconds)}, ${comparison}${unused}.`;
  }
  const more = (part: keyof StepParts) => cost.parts[part] - best.cost.parts[part];
  const part = (Object.keys(WORDS) as Array<keyof StepParts>).reduce((most, next) =>
    more(next) > more(most) ? next : most,
  );
  const ratio = cost.seconds / best.cost.seconds;
  return ratio < 1 + TOLERANCE
    ? `as fast as the best, within ${Math.round(100 * TOLERANCE)} %, but it divides more.`
    : `${Number(ratio.toPrecision(3))} times as long as the best: ${WORDS[part]} takes ${seconds(cost.parts[part])}, there ${seconds(Math.max(0, best.cost.parts[part]))}.`;
}
