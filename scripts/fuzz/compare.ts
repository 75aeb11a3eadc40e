/**
 * Compares two runs within the bounds of the parity harness (tests/parity/harness.ts).
 */
import type {NamedValues, Observed} from './observe';

/** One thing in which a run differs from its reference. */
export interface Difference {
  /** The kind of thing: 'loss', 'history', 'weights', 'optimizer', 'moved', 'leak', ... */
  what: string;
  text: string;
  /** What was measured, for the control; null where nothing can be ill-conditioned. */
  measured: {key: string; apart: number} | null;
}

type Logs = Record<string, number>;

const largest = (values: Iterable<number>) => {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
};

/** The largest difference; equal non-finite numbers do not differ. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i])) continue;
    const difference = Math.abs(a[i] - b[i]);
    most = Math.max(most, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
  return most;
}

interface Numbers {
  what: string;
  key: string;
  actual: ArrayLike<number>;
  expected: ArrayLike<number>;
  bound: number;
}

const few = (values: ArrayLike<number>) =>
  Array.from(values)
    .slice(0, 6)
    .map((value) => Number(value.toPrecision(7)))
    .join(' ');

/** The pairs of lists of numbers that must be equal, and what differs in structure. */
class Comparison {
  readonly numbers: Numbers[] = [];
  readonly differences: Difference[] = [];

  differ(what: string, text: string): void {
    this.differences.push({what, text, measured: null});
  }

  add(numbers: Numbers): void {
    const {what, key, actual, expected} = numbers;
    if (actual.length === expected.length) this.numbers.push(numbers);
    else this.differ(what, `${key}: ${actual.length} numbers for ${expected.length}`);
  }

  logs(what: string, actual: Record<string, number[]>, expected: Record<string, number[]>): void {
    const [names, wanted] = [actual, expected].map((logs) => Object.keys(logs).sort().join(' '));
    if (names !== wanted) this.differ(what, `the logs ${names} for ${wanted}`);
    for (const [key, values] of Object.entries(expected)) {
      if (!(key in actual)) continue;
      const bound = (key.includes('loss') ? 2e-5 : 1e-4) * Math.max(1, largest(values));
      this.add({what, key, actual: actual[key], expected: values, bound});
    }
  }
}

const columns = (logs: Logs[]): Record<string, number[]> => {
  const names = [...new Set(logs.flatMap((log) => Object.keys(log)))];
  return Object.fromEntries(names.map((name) => [name, logs.map((log) => log[name])]));
};

const change = (after: Float32Array, before: Float32Array) =>
  after.map((value, i) => value - before[i]);

function compareWeights(
  comparison: Comparison,
  actual: Observed,
  expected: Observed,
  tolerance: number,
): void {
  expected.weights.forEach(({name, values}, i) => {
    const key = `weight ${name}`;
    const came = actual.weights[i].values;
    const [moved, wanted] = [actual, expected].map(({weights, before}) =>
      largest(change(weights[i].values, before[i].values)),
    );
    const rounding = 1e-6 * largest(values);
    if (wanted === 0 && moved > rounding) comparison.differ('moved', `${key} moved by ${moved}`);
    if (moved === 0 && wanted > rounding)
      comparison.differ('moved', `${key} did not move; it should by ${wanted}`);
    const bound = tolerance * largest(values);
    comparison.add({what: 'weights', key, actual: came, expected: values, bound});
    comparison.add({
      what: 'weights',
      key: `change of ${name}`,
      actual: change(came, actual.before[i].values),
      expected: change(values, expected.before[i].values),
      bound: 2e-3 * wanted + 1e-6 * largest(values),
    });
  });
}

function compareOptimizer(comparison: Comparison, actual: NamedValues[], expected: NamedValues[]) {
  const [names, wanted] = [actual, expected].map((list) => list.map(({name}) => name).join(' '));
  if (names !== wanted) {
    comparison.differ('optimizer', `its state is ${names || 'empty'} for ${wanted}`);
    return;
  }
  expected.forEach(({name, values}, i) => {
    const bound = 1e-4 * largest(values) + 1e-12;
    comparison.add({
      what: 'optimizer',
      key: `state ${name}`,
      actual: actual[i].values,
      expected: values,
      bound,
    });
  });
}

/** sgd and momentum add gradients; the others divide by their size, which magnifies rounding. */
const toleranceOf = (optimizer: string) => (/sgd|momentum/.test(optimizer) ? 1e-5 : 1e-4);

function collect(actual: Observed, expected: Observed, optimizer: string): Comparison {
  const comparison = new Comparison();
  comparison.add({
    what: 'loss',
    key: 'loss of each step',
    actual: actual.losses,
    expected: expected.losses,
    bound: 1e-5 * Math.max(1, largest(expected.losses)),
  });
  if (actual.batchLogs.length > 0)
    comparison.logs('batch logs', columns(actual.batchLogs), columns(expected.batchLogs));
  comparison.logs('history', actual.history, expected.history);
  if (String(actual.epochs) !== String(expected.epochs))
    comparison.differ('history', `the epochs ${actual.epochs} for ${expected.epochs}`);
  compareWeights(comparison, actual, expected, toleranceOf(optimizer));
  compareOptimizer(comparison, actual.optimizer, expected.optimizer);
  if (actual.leaked > expected.leaked)
    comparison.differ('leak', `${actual.leaked - expected.leaked} tensors are left`);
  const news = actual.warnings.filter((text) => !expected.warnings.includes(text));
  if (news.length > 0) comparison.differ('warning', news.join('; ').slice(0, 300));
  return comparison;
}

/** In what `actual` differs from `expected`. */
export function compare(actual: Observed, expected: Observed, optimizer: string): Difference[] {
  const {differences, numbers} = collect(actual, expected, optimizer);
  for (const {what, key, actual: came, expected: wanted, bound} of numbers) {
    const by = apart(came, wanted);
    if (by <= bound) continue;
    const text = `${key}: ${few(came)} for ${few(wanted)}, ${by.toExponential(1)} apart`;
    differences.push({what, text, measured: {key, apart: by}});
  }
  return differences;
}

/** How far apart all numbers of two runs are, by name. */
export function spread(a: Observed, b: Observed): Map<string, number> {
  return new Map(
    collect(a, b, '').numbers.map(({key, actual, expected}) => [key, apart(actual, expected)]),
  );
}
