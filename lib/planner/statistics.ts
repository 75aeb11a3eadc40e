/**
 * Either side. What a few pairs of measurements say: an interval for their ratio, and how alike two
 * orders are.
 */

/** Two-sided 95 % quantiles of Student's t by degrees of freedom, from 1. */
const T = [
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
  const mean = logs.reduce((sum, one) => sum + one, 0) / n;
  const variance = logs.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (n - 1);
  const reach = T[Math.min(n - 1, T.length) - 1] * Math.sqrt(variance / n);
  return [Math.exp(mean - reach), Math.exp(mean + reach)];
}

/** Ranks from 1; equal values share the mean of theirs. */
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
    u.reduce((sum, one, i) => sum + (one - middle) * (v[i] - middle), 0);
  const scale = Math.sqrt(product(x, x) * product(y, y));
  return scale > 0 ? product(x, y) / scale : null;
}
