/**
 * What every bench prints: the machine, the versions, the rows and the goals, as JSON
 * or as a table.
 */
import {cpus, totalmem} from 'node:os';
import {readFileSync} from 'node:fs';
import {cgroupMemoryBytes, physicalCores} from '../../lib/base/cgroup';
import {engineInfo} from '../../lib/devices/register';

export type Cell = string | number | null;
export type Row = {system: string} & Record<string, Cell | undefined>;

/** A figure that we aim at; `value` and `met` are null where this run did not measure it. */
export interface Goal {
  name: string;
  value: number | null;
  target: string;
  met: boolean | null;
}

export interface Machine {
  cpu: string;
  /** Physical cores within the control group's limit. */
  cores: number;
  memoryBytes: number;
}

export interface Report {
  bench: string;
  command: string;
  machine: Machine;
  engine: string;
  versions: Record<string, string>;
  rows: Row[];
  goals: Goal[];
}

/**
 * A goal such as `goal('ratio to fit', 1.2, '>=', 1.15)`; the value null says "not measured in this
 * run".
 */
export function goal(
  name: string,
  value: number | null,
  relation: '>=' | '<=',
  target: number,
): Goal {
  const reaches = (one: number) => (relation === '>=' ? one >= target : one <= target);
  const met = value === null ? null : reaches(value);
  return {name, value, target: `${relation} ${target}`, met};
}

/**
 * Runs every system once a round, in turn, after a round that warms all up; returns each one's
 * runs.
 */
export async function inTurn<T, R>(
  rounds: number,
  systems: readonly T[],
  run: (system: T) => Promise<R>,
): Promise<R[][]> {
  const found = systems.map((): R[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, system] of systems.entries()) {
      const one = await run(system);
      if (round >= 0) found[i].push(one);
    }
  }
  return found;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || process.arch,
    cores: physicalCores(),
    memoryBytes: Math.min(totalmem(), cgroupMemoryBytes() ?? Infinity),
  };
}

function versionOf(name: string): string {
  return (
    JSON.parse(readFileSync(require.resolve(`${name}/package.json`), 'utf8')) as {version: string}
  ).version;
}

/** The versions that a figure depends on. */
export function versions(): Record<string, string> {
  const engine = engineInfo();
  return {
    'many-hands': versionOf('many-hands'),
    node: process.versions.node,
    tfjs: versionOf('@tensorflow/tfjs'),
    ...(engine.libtensorflow === null ? {} : {libtensorflow: engine.libtensorflow}),
  };
}

/**
 * The report of one bench: its rows and goals, with the machine, the engine and the versions that
 * made them.
 */
export function report(bench: string, args: readonly string[], rows: Row[], goals: Goal[]): Report {
  const command = ['npm run bench --', bench, ...args].join(' ');
  return {
    bench,
    command,
    machine: machine(),
    engine: engineInfo().name,
    versions: versions(),
    rows,
    goals,
  };
}

function shownCell(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'string') return cell;
  if (Number.isInteger(cell) && Math.abs(cell) < 1e15) return cell.toLocaleString('en-US');
  return cell.toPrecision(4);
}

/** Rows as an aligned table, a column for each key in the order of its first appearance. */
export function table(rows: readonly Record<string, Cell | undefined>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [columns, ...rows.map((row) => columns.map((column) => shownCell(row[column])))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const yesOrNo = (is: boolean) => (is ? 'yes' : 'no');

/** Prints a report: one JSON object with `json`, otherwise tables that a person reads. */
export function printReport(made: Report, options: {json: boolean}): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(made, null, 2)}\n`);
    return;
  }
  const gigabytes = (made.machine.memoryBytes / 1e9).toFixed(1);
  const of = Object.entries(made.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  const goals = made.goals.map((one) => ({
    goal: one.name,
    value: one.value,
    target: one.target,
    met: one.met === null ? 'not measured' : yesOrNo(one.met),
  }));
  process.stdout.write(
    [
      made.command,
      `${made.machine.cpu}, ${made.machine.cores} cores, ${gigabytes} GB; engine ${made.engine}; ${of}`,
      '',
      table(made.rows),
      ...(goals.length ? ['', table(goals)] : []),
      '',
    ].join('\n'),
  );
}
