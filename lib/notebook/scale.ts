/**
 * Scales of axes: round ticks, their labels, and the position of a value.
 */
import {formatBytes} from '../base/units';

/**
 * About `wanted` ticks at round distances (1, 2 or 5 times a power of ten), from at or below `low`
 * to at or above `high`.
 */
export function ticks(low: number, high: number, wanted = 5): number[] {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil((high > low ? high : low + span) / step - 1e-9));
  // Multiples of the step: repeated addition would give 0.30000000000000004.
  return Array.from({length: last - first + 1}, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/**
 * Labels of ticks, all with the same number of decimals: '0.0', '0.5', '1.0', '1.5' for 0, 0.5, 1,
 * 1.5.
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
 * Round ticks of a logarithmic axis from `low` to `high`, both above 0: 1, 2 and 5 in each decade of
 * a short axis, powers of ten on a long one.
 */
export function logTicks(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const decades = Math.log10(high / low);
  const factors = decades <= 2 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / 8));
  const candidates: number[] = [];
  for (let power = first; power <= last; power += stride)
    for (const factor of factors) candidates.push(Number((factor * 10 ** power).toPrecision(3)));
  const inside = candidates.filter((tick) => tick >= low * 0.8 && tick <= high * 1.25);
  return inside.length >= 2 ? inside : [low, high];
}

/** Ticks of an axis with their labels, as plotly.js takes them. */
export interface LabelledTicks {
  tickmode: 'array';
  tickvals: number[];
  ticktext: string[];
}

/** A number in short: 1.2K, 30M. */
export const compact = (value: number) =>
  value.toLocaleString('en-US', {notation: 'compact', maximumSignificantDigits: 3});

/** Labelled ticks of a logarithmic axis; plotly.js would mix bare digits ('2', '5') with '10²'. */
export function labelledTicks(values: number[], words: (value: number) => string): LabelledTicks {
  const drawable = values.filter((value) => value > 0);
  const tickvals =
    drawable.length > 0 ? logTicks(Math.min(...drawable), Math.max(...drawable)) : [];
  return {tickmode: 'array', tickvals, ticktext: tickvals.map(words)};
}

/** Bytes in KiB, MiB and so on. */
export const binaryBytes = (bytes: number) => formatBytes(bytes, 'binary');

/** Ticks of bytes at powers of two: 64 B, 1 KiB, 16 KiB and so on. */
export function byteTicks(values: number[]): LabelledTicks {
  const first = Math.floor(Math.log2(Math.min(...values)) / 2) * 2;
  const last = Math.ceil(Math.log2(Math.max(...values)));
  const stride = last - first > 12 ? 4 : 2;
  const tickvals = Array.from(
    {length: Math.floor((last - first) / stride) + 1},
    (_, i) => 2 ** (first + i * stride),
  );
  return {
    tickmode: 'array',
    tickvals,
    ticktext: tickvals
      .map(binaryBytes)
      .map((words) => words.replace('.00', '').replace(/(\d)\.0 /, '$1 ')),
  };
}

/** The linear map of [from, to] onto [start, end]. */
export function linear(
  [from, to]: readonly [number, number],
  [start, end]: readonly [number, number],
): (value: number) => number {
  return (value) => start + ((value - from) / (to - from || 1)) * (end - start);
}

/**
 * Reduces points to about `most`: the mean of each group of neighbours, and the last point as it is.
 */
export function thinned<T extends {at: number; value: number}>(
  points: readonly T[],
  most: number,
): {at: number; value: number}[] {
  if (points.length <= most) return [...points];
  const size = Math.ceil(points.length / most);
  const result: {at: number; value: number}[] = [];
  for (let first = 0; first < points.length; first += size) {
    const group = points.slice(first, first + size);
    result.push({
      at: group.reduce((sum, point) => sum + point.at, 0) / group.length,
      value: group.reduce((sum, point) => sum + point.value, 0) / group.length,
    });
  }
  const last = points[points.length - 1];
  result.push({at: last.at, value: last.value});
  return result;
}
