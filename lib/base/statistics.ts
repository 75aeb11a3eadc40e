/**
 * Statistics of a few measurements.
 */
import {ManyHandsError} from './errors';

/** The sum of a list of numbers; 0 for an empty list. */
export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** The median of one or more values; with two middle values, their mean. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The one of the values below which a share of them lies: `quantile(seconds, 0.95)`. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(values.length - 1, Math.floor(share * values.length))];
}

/**
 * Two-sided 95 % quantiles of Student's t for 1 to 15 degrees of freedom. With more degrees the last
 * value still serves. It is conservative: the true quantile falls from 2.131 towards 1.96, so
 * intervals come out up to 9 % too wide.
 */
const STUDENT_T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131,
];

/**
 * The 95 % interval of the mean ratio, by Student's t of the logarithms; from 0 to Infinity for
 * fewer than two pairs.
 */
export function ratioInterval(ratios: readonly number[]): [number, number] {
  const n = ratios.length;
  if (n < 2) return [0, Infinity];
  const logs = ratios.map(Math.log);
  const mean = sum(logs) / n;
  const variance = sum(logs.map((log) => (log - mean) ** 2)) / (n - 1);
  const reach = STUDENT_T[Math.min(n - 1, STUDENT_T.length) - 1] * Math.sqrt(variance / n);
  return [Math.exp(mean - reach), Math.exp(mean + reach)];
}

/** The ranks of the values, from 1; equal values share the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1);
}

/**
 * Spearman's rank correlation, from -1 to 1; null where all values of a list are equal, or there
 * are fewer than two.
 */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number | null {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  const product = (u: number[], v: number[]) =>
    sum(u.map((rank, i) => (rank - middle) * (v[i] - middle)));
  const scale = Math.sqrt(product(x, x) * product(y, y));
  return scale > 0 ? product(x, y) / scale : null;
}

export interface PowerLaw {
  factor: number;
  exponent: number;
  at(x: number): number;
}

/**
 * The power law nearest to points with positive x and y, by least squares of the logarithms. With
 * `exponent` given, only the factor is sought. Throws BAD_DATA for fewer points than unknowns, or
 * for one at or below zero.
 */
export function powerLaw(points: readonly {x: number; y: number}[], exponent?: number): PowerLaw {
  const needed = exponent === undefined ? 2 : 1;
  if (new Set(points.map(({x}) => x)).size < needed) {
    throw new ManyHandsError(
      'BAD_DATA',
      `powerLaw: ${needed} points with different x are needed, there are ${points.length}.`,
    );
  }
  const wrong = points.find(({x, y}) => !(x > 0) || !(y > 0));
  if (wrong)
    throw new ManyHandsError(
      'BAD_DATA',
      `powerLaw: x and y must be above zero; a point is x = ${wrong.x}, y = ${wrong.y}.`,
    );
  const logs = points.map(({x, y}) => [Math.log(x), Math.log(y)] as const);
  const mean = (at: 0 | 1): number => logs.reduce((sum, log) => sum + log[at], 0) / logs.length;
  const [middleX, middleY] = [mean(0), mean(1)];
  const slope =
    exponent ??
    logs.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0) /
      logs.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0);
  const factor = Math.exp(middleY - slope * middleX);
  return {factor, exponent: slope, at: (x) => factor * x ** slope};
}
