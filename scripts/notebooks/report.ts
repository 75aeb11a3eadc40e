/**
 * The caller's side, scripts only. What `npm run notebooks` says of each notebook: in lines for a
 * person, in JSON for a program.
 */
import * as path from 'node:path';
import type {NotebookRun, Problem} from './run';

/** A notebook's whole result. */
export interface Result {
  /** Its file's name without the ending. */
  notebook: string;
  file: string;
  status: 'passed' | 'failed';
  /** Of its run, the kernel's start included; null where it was only checked. */
  seconds: number | null;
  startSeconds: number | null;
  /** What it should take at most; null where it has no budget, or was only checked. */
  budgetSeconds: number | null;
  /** Machines differ: a notebook over its budget is named, and has not failed. */
  overBudget: boolean;
  cells: NotebookRun['cells'];
  problems: Problem[];
  warnings: Problem[];
  /** The executed copy. */
  executed: string | null;
}

export function resultOf(
  file: string,
  stored: readonly Problem[],
  run: NotebookRun | null,
  budgetMs: number | null,
): Result {
  const problems = [...stored, ...(run?.problems ?? [])];
  const relative = (name: string): string => path.relative(process.cwd(), name);
  return {
    notebook: path.basename(file, '.ipynb'),
    file: relative(file),
    status: problems.length ? 'failed' : 'passed',
    seconds: run ? round(run.seconds) : null,
    startSeconds: run ? round(run.startSeconds) : null,
    budgetSeconds: run && budgetMs !== null ? budgetMs / 1000 : null,
    overBudget: run !== null && budgetMs !== null && run.seconds * 1000 > budgetMs,
    cells: (run?.cells ?? []).map((cell) => ({...cell, seconds: round(cell.seconds)})),
    problems,
    warnings: run?.warnings ?? [],
    executed: run?.executed ? relative(run.executed) : null,
  };
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** `cell 5 (train, 'const after = ...')`, or nothing for a problem of the whole notebook. */
function where(problem: Problem): string {
  return problem.cell === undefined
    ? ''
    : `cell ${problem.cell} (id ${problem.id}: ${problem.firstLine}): `;
}

/** The lines for one notebook: its times, then what is wrong with it. */
export function linesOf(result: Result): string[] {
  const ran = result.cells.filter(({status}) => status !== 'notRun' && status !== 'empty');
  const time =
    result.seconds === null
      ? ''
      : `  ${result.seconds.toFixed(1)} s (kernel ${result.startSeconds!.toFixed(1)} s, ${ran.length} of ${result.cells.length} code cells)`;
  const lines = [`${result.status === 'passed' ? 'passed' : 'FAILED'}  ${result.notebook}${time}`];
  for (const cell of [...ran].sort((a, b) => b.seconds - a.seconds)) {
    lines.push(
      `  ${cell.seconds.toFixed(2).padStart(7)} s  ${cell.status === 'ok' ? '' : `${cell.status}  `}cell ${cell.cell}  ${cell.id}  ${cell.firstLine}`,
    );
  }
  for (const warning of result.warnings)
    lines.push(`  note: ${where(warning)}it ended well and wrote to stderr: ${warning.message}`);
  for (const problem of result.problems)
    lines.push(
      `  ${problem.rule}: ${result.notebook}, ${where(problem)}${problem.message.replace(/\n/g, '\n    ')}`,
    );
  return lines;
}

/** All notebooks of a run, a line each: how it ended, its time, its budget, and a word where it is over. */
export function tableOf(results: readonly Result[]): string {
  const rows = [
    ['notebook', 'result', 'seconds', 'budget', 'warning'],
    ...results.map(({notebook, status, seconds, budgetSeconds, overBudget}) => [
      notebook,
      status === 'passed' ? status : 'FAILED',
      seconds === null ? '-' : seconds.toFixed(1),
      budgetSeconds === null ? '-' : String(budgetSeconds),
      overBudget ? 'over its budget' : '',
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isNumber = [false, false, true, true, false];
  return rows
    .map((row) =>
      row
        .map((text, column) =>
          isNumber[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
