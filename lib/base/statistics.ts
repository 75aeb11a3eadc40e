/**
 * Statistics of a few measurements.
 */
import {ManyHandsError} from './errors';

/** The sum of a list of numbers; 0 for an empty list. */
export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** The median of one or more values: the middle one, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that a share of the values lies below, itself one of them: `quantile(seconds, 0.95)`. */
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
 * The 95 % confidence interval of the geometric mean of ratios, by Student's t of their logarithms;
 * [0, Infinity] for fewer than two ratios.
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
 * Spearman's rank correlation, from -1 to 1; null when all values of a list are equal or there are
 * fewer than two.
 */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number | null {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  const product = (u: number[], v: number[]) =>
    sum(u.map((rank, i) => (rank - middle) * (v[i] - middle)));
  const scale = Math.sqrt(product(x, x) * product(y, y));
  return scale > 0 ? product(x, y) / scale : null;
}

/** y = factor * x^exponent. */
export interface PowerLaw {
  factor: number;
  exponent: number;
  /** The y of an x. */
  at(x: number): number;
}

/**
 * Fits a power law to points with positive x and y, by least squares of the logarithms. A given
 * `exponent` is kept, and only the factor is fitted. Throws BAD_DATA for fewer different x than
 * unknowns, or for an x or y that is not above zero.
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
  const middleX = sum(logs.map(([x]) => x)) / logs.length;
  const middleY = sum(logs.map(([, y]) => y)) / logs.length;
  const slope =
    exponent ??
    logs.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0) /
      logs.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0);
  const factor = Math.exp(middleY - slope * middleX);
  return {factor, exponent: slope, at: (x) => factor * x ** slope};
}
