/**
 * What grading tests share: real notebooks, made from the course's own, in a folder of submissions.
 */
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {courseBank, type Bank} from '#lib/quiz/bank.js';
import {grade} from '#scripts/grade.js';
import type {LearnerResult} from '#scripts/grade/results.js';

export interface Cell {
  cell_type: string;
  id: string;
  metadata: {many_hands?: {answer?: string; question?: string}} & Record<string, unknown>;
  source: string | string[];
  outputs?: unknown[];
  execution_count?: number | null;
}

export interface Notebook {
  cells: Cell[];
  metadata: Record<string, unknown> & {many_hands?: {notebook: string}};
  nbformat: number;
  nbformat_minor: number;
}

export const practiceIds = [
  'which-split',
  'data-parallel-setup',
  'ninety-samples',
  'idle-workers',
  'too-large-model',
];
const practiceText = readFileSync(join(__dirname, '../../notebooks/14-practice.ipynb'), 'utf8');

/** Notebook 14 with these letters in its answer cells. */
export function practice(letters = 'ADBAC'): Notebook {
  const notebook = JSON.parse(practiceText) as Notebook;
  practiceIds.forEach((id, at) => {
    answerCell(notebook, id).source = [
      `answer('${id}', '${letters[at] === ' ' ? '' : letters[at]}')`,
    ];
  });
  return notebook;
}

export function answerCell(notebook: Notebook, id: string): Cell {
  return notebook.cells.find((cell) => cell.metadata.many_hands?.answer === id)!;
}

export function removeCell(notebook: Notebook, cell: Cell): void {
  notebook.cells.splice(notebook.cells.indexOf(cell), 1);
}

/**
 * A notebook of that name (null: none) with a code cell for each source; a pair gives the cell's
 * answer id as well.
 */
export function notebookOf(
  name: string | null,
  sources: (string | [id: string, source: string])[],
): Notebook {
  return {
    cells: sources.map((one, at) => ({
      cell_type: 'code',
      id: `cell-${at}`,
      execution_count: null,
      outputs: [],
      metadata: typeof one === 'string' ? {} : {many_hands: {answer: one[0]}},
      source: typeof one === 'string' ? one : one[1],
    })),
    metadata: name === null ? {} : {many_hands: {notebook: name}},
    nbformat: 4,
    nbformat_minor: 5,
  };
}

/** A temporary folder of submissions. */
export class Submissions {
  readonly root = mkdtempSync(join(tmpdir(), 'grading-'));
  readonly path = join(this.root, 'submissions');

  constructor() {
    mkdirSync(this.path);
  }

  /** Writes a notebook, or text or bytes as they are, at a path inside. */
  put(file: string, content: Notebook | string | Uint8Array): this {
    const path = join(this.path, file);
    mkdirSync(dirname(path), {recursive: true});
    writeFileSync(
      path,
      typeof content === 'string' || content instanceof Uint8Array
        ? content
        : `${JSON.stringify(content, null, 1)}\n`,
    );
    return this;
  }

  grade(bank: Bank = courseBank()): Map<string, LearnerResult> {
    return new Map(grade(this.path, bank).results.learners.map((one) => [one.learner, one]));
  }

  remove(): void {
    rmSync(this.root, {recursive: true, force: true});
  }
}

/** Grades one notebook. */
export function gradeOne(content: Notebook | string | Uint8Array, bank?: Bank): LearnerResult {
  const submissions = new Submissions().put('ana/x.ipynb', content);
  try {
    return submissions.grade(bank).get('ana')!;
  } finally {
    submissions.remove();
  }
}

/** `id: status points answer`, a line a question. */
export function brief({questions}: LearnerResult): string[] {
  return questions.map(
    ({id, status, points, answer}) => `${id}: ${status} ${points} ${answer ?? '-'}`,
  );
}

export function codes({problems}: LearnerResult): string[] {
  return problems.map(({code}) => code);
}
