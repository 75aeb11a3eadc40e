/**
 * Axes: round ticks, and the place of a value between two ends.
 */

/**
 * Round numbers (1, 2 or 5 times a power of ten) from at or below `low` to at or above `high`,
 * about `wanted` of them.
 */
export function ticks(low: number, high: number, wanted = 5): number[] {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil((high > low ? high : low + span) / step - 1e-9));
  // Counted in whole steps: adding the step up would end in 0.30000000000000004.
  return Array.from({length: last - first + 1}, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/**
 * The ticks in words, all with as many decimals as their step needs: 0, 0.5, 1, 1.5 are '0.0',
 * '0.5', '1.0', '1.5'.
 */
export function tickLabels(values: readonly number[]): string[] {
  const decimals = Math.max(
    0,
    ...values.map((value) => (String(value).split('.')[1] ?? '').length),
  );
  return values.map((value) =>
    value.toLocaleString('en-US', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    }),
  );
}

/**
 * Round ticks of a logarithmic axis from `low` to `high`, both above 0: 1, 2, 5 in each decade of a
 * short axis, powers of ten of a long one.
 */
export function logTicks(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const decades = Math.log10(high / low);
  const factors = decades <= 2 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / 8));
  const all: number[] = [];
  for (let power = first; power <= last; power += stride)
    for (const factor of factors) all.push(Number((factor * 10 ** power).toPrecision(3)));
  const inside = all.filter((tick) => tick >= low * 0.8 && tick <= high * 1.25);
  return inside.length >= 2 ? inside : [low, high];
}

/** A straight map of [from, to] onto [start, end]. */
export function linear(
  [from, to]: readonly [number, number],
  [start, end]: readonly [number, number],
): (value: number) => number {
  return (value) => start + ((value - from) / (to - from || 1)) * (end - start);
}

/**
 * At most `most` of the points: the mean of each stretch of neighbours, and the very last point as
 * it is.
 */
export function thinned<T extends {at: number; value: number}>(
  points: readonly T[],
  most: number,
): {at: number; value: number}[] {
  if (points.length <= most) return [...points];
  const size = Math.ceil(points.length / most);
  const result: {at: number; value: number}[] = [];
  for (let first = 0; first < points.length; first += size) {
    const stretch = points.slice(first, first + size);
    result.push({
      at: stretch.reduce((sum, point) => sum + point.at, 0) / stretch.length,
      value: stretch.reduce((sum, point) => sum + point.value, 0) / stretch.length,
    });
  }
  const last = points[points.length - 1]!;
  result.push({at: last.at, value: last.value});
  return result;
}
