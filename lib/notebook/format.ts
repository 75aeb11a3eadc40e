/**
 * Numbers as people read them: grouped thousands, three figures, units that fit.
 */
import {formatBytes} from '../base/units';

const grouped = new Intl.NumberFormat('en-US', {maximumFractionDigits: 0});

/** `12,345` · `0.123` · `4.2e-7`: three significant figures, more where an integer has more. */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not a number' : value > 0 ? '∞' : '-∞';
  const size = Math.abs(value);
  if (Number.isInteger(value) ? size < 1e15 : size >= 10 ** digits && size < 1e15)
    return grouped.format(value);
  if (size < 1e-4 || size >= 1e15) return value.toExponential(digits - 1).replace('e+', 'e');
  const text = value.toPrecision(digits);
  return text.includes('e') ? grouped.format(Number(text)) : text;
}

/**
 * A length of time, from `4.20 µs` through `3.20 s` and `2 min 5 s` to `12.0 days` and `3.00
 * years`.
 */
export function formatSeconds(seconds: number): string {
  const size = Math.abs(seconds);
  if (!Number.isFinite(seconds)) return formatNumber(seconds);
  if (size === 0) return '0 s';
  if (size < 0.9995e-3) return `${formatNumber(seconds * 1e6)} µs`;
  if (size < 0.9995) return `${formatNumber(seconds * 1e3)} ms`;
  if (size < 59.95) return `${formatNumber(seconds)} s`;
  if (size < 3599.5) return parts(seconds, 60, 'min', 1, 's');
  if (size < 86_370) return parts(seconds, 3600, 'h', 60, 'min');
  if (size < 365 * 86_400) return long(seconds / 86_400, 'day');
  return long(seconds / (365.25 * 86_400), 'year');
}

function long(value: number, noun: string): string {
  const words = formatNumber(value);
  return `${words} ${noun}${words === '1' ? '' : 's'}`;
}

function parts(
  seconds: number,
  large: number,
  largeName: string,
  small: number,
  smallName: string,
): string {
  const total = Math.round(seconds / small);
  const ratio = large / small;
  const rest = total % ratio;
  return `${Math.trunc(total / ratio)} ${largeName}${rest ? ` ${rest} ${smallName}` : ''}`;
}

/** `1 step`, `2 steps`, `12,345 steps`. */
export function count(n: number, noun: string): string {
  return `${formatNumber(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** A value as figures write it: 'seconds' and 'bytes' in the unit that fits, any other as it is. */
export function formatWithUnit(value: number, unit: string): string {
  if (unit === 'seconds') return formatSeconds(value);
  return unit === 'bytes' ? formatBytes(value) : `${formatNumber(value)} ${unit}`;
}
