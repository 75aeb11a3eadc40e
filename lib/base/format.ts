/**
 * Numbers for people: grouped thousands, three significant figures, units that fit.
 */
const grouped = new Intl.NumberFormat('en-US', {maximumFractionDigits: 0});

/** A number with `digits` significant figures, an integer in full: `12,345`, `0.123`, `4.20e-7`. */
export function formatNumber(value: number, digits = 3): string {
  if (Number.isNaN(value)) return 'not a number';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '-∞';
  const size = Math.abs(value);
  if (Number.isInteger(value) ? size < 1e15 : size >= 10 ** digits && size < 1e15)
    return grouped.format(value);
  if (size < 1e-4 || size >= 1e15) return value.toExponential(digits - 1).replace('e+', 'e');
  const text = value.toPrecision(digits);
  return text.includes('e') ? grouped.format(Number(text)) : text;
}

/**
 * A duration in the unit that fits: `4.20 µs`, `3.20 s`, `2 min 5 s`, `12.0 days`, `3.00 years`.
 */
export function formatSeconds(seconds: number): string {
  const size = Math.abs(seconds);
  if (!Number.isFinite(seconds)) return formatNumber(seconds);
  if (size === 0) return '0 s';
  if (size < 0.9995e-3) return `${formatNumber(seconds * 1e6)} µs`;
  if (size < 0.9995) return `${formatNumber(seconds * 1e3)} ms`;
  if (size < 59.95) return `${formatNumber(seconds)} s`;
  if (size < 3599.5) return inTwoUnits(seconds, 60, 'min', 1, 's');
  if (size < 86_370) return inTwoUnits(seconds, 3600, 'h', 60, 'min');
  if (size < 365 * 86_400) return withNoun(seconds / 86_400, 'day');
  return withNoun(seconds / (365.25 * 86_400), 'year');
}

function withNoun(value: number, noun: string): string {
  const words = formatNumber(value);
  return `${words} ${noun}${words === '1' ? '' : 's'}`;
}

function inTwoUnits(
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

/** A count with its noun: `1 step`, `2 steps`, `12,345 steps`. */
export function count(n: number, noun: string): string {
  return `${formatNumber(n)} ${noun}${n === 1 ? '' : 's'}`;
}
