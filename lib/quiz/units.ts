/**
 * Units of predictions and answers, and their conversion within a dimension.
 */
/** By dimension, the size of each unit in the dimension's base unit. */
const dimensions: Record<string, Record<string, number>> = {
  time: {
    ns: 1e-9,
    µs: 1e-6,
    us: 1e-6,
    ms: 1e-3,
    s: 1,
    second: 1,
    seconds: 1,
    min: 60,
    minutes: 60,
    h: 3600,
    hours: 3600,
    day: 86400,
    days: 86400,
  },
  memory: {
    B: 1,
    byte: 1,
    bytes: 1,
    kB: 1e3,
    KB: 1e3,
    MB: 1e6,
    GB: 1e9,
    TB: 1e12,
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
    TiB: 2 ** 40,
  },
  ratio: {'': 1, x: 1, '×': 1, '%': 0.01},
};

/**
 * Converts a value; null if the units have different dimensions. A unit outside the table can only
 * be converted to itself.
 */
export function convert(value: number, from: string, to: string): number | null {
  if (from === to) return value;
  for (const units of Object.values(dimensions)) {
    const [source, target] = [
      Object.hasOwn(units, from) ? units[from] : undefined,
      Object.hasOwn(units, to) ? units[to] : undefined,
    ];
    if (source !== undefined && target !== undefined) return (value * source) / target;
  }
  return null;
}

/** The dimension of a unit, in a word; null for a unit outside the table. */
export function dimensionOf(unit: string): string | null {
  return Object.keys(dimensions).find((name) => Object.hasOwn(dimensions[name], unit)) ?? null;
}

/** A number with three significant figures: 0.0123, 4.5, 1,230. */
export function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en', {maximumSignificantDigits: 3});
}

/** A number with its unit: '12 ms'. */
export function withUnit({value, unit}: {value: number; unit: string}): string {
  return `${figure(value)} ${unit}`.trim();
}
