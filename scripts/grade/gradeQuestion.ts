/**
 * One question in one notebook of one learner: what was answered, and what is odd
 * about it.
 */
import type {AnsweredQuestion} from '../../lib/quiz/question';
import {judge, type Judgement} from '../../lib/quiz/judge';
import type {ReadCell} from './identify';
import type {Problem, QuestionResult, Status} from './results';

/** The cells of one file. */
export interface ReadFile {
  file: string;
  notebook: string;
  cells: ReadCell[];
}

/** A question's outcome in one notebook, which may have been handed in in several files. */
export interface Outcome {
  result: QuestionResult;
  problems: Problem[];
}

interface Sighting {
  file: string;
  cell: number;
  judged: Judgement | null;
  raw: string | null;
  unreadable: string | null;
}

/** Grades a question in the files that are the same notebook. */
export function gradeQuestion(question: AnsweredQuestion, files: readonly ReadFile[]): Outcome {
  const seen = files.map((file) => sightings(question, file));
  const all = seen.flat();
  const done = (
    status: Status,
    points: number,
    answer: string | null,
    message: string,
    problems: Problem[] = [],
  ): Outcome => ({
    result: {id: question.id, kind: question.kind, points, max: 1, answer, status, message},
    problems,
  });
  if (all.length === 0) return lost(question, files, done);
  const odd = all.find(({unreadable}) => unreadable !== null);
  if (odd) {
    const message = `the answer to '${question.id}' cannot be read: ${odd.unreadable}`;
    return done('edited', 0, null, message, [
      {code: 'edited', file: odd.file, cell: odd.cell, message},
    ]);
  }
  const given = all.filter(({judged}) => judged!.status !== 'unanswered');
  const answers = [...new Set(given.map(({judged, raw}) => judged!.answer ?? raw))];
  const first = (given[0] ?? all[0])!;
  const twice = seen.find((one) => one.length > 1);
  const where = all
    .map(
      ({file, cell, raw, judged}) =>
        `${files.length > 1 ? `${file}, ` : ''}cell ${cell}: ${judged!.answer ?? (raw || 'blank')}`,
    )
    .join('; ');
  if (answers.length > 1) {
    const message = `'${question.id}' has contradicting answers (${where}), so none counts`;
    return done('duplicated', 0, null, message, [
      {code: 'contradiction', file: first.file, cell: first.cell, message},
    ]);
  }
  const {status, message} = first.judged!;
  const points = status === 'right' ? 1 : 0;
  if (twice) {
    const told = `'${question.id}' is answered ${twice.length} times in one notebook (${where}); ${answers.length === 1 ? `they agree, so ${answers[0]} counts` : 'all are blank'}`;
    return done('duplicated', points, answers[0] ?? null, told, [
      {code: 'duplicated', file: twice[1]!.file, cell: twice[1]!.cell, message: told},
    ]);
  }
  return done(status === 'unreadable' ? 'wrong' : status, points, answers[0] ?? null, message);
}

/** The question's calls in one file, in the order of the cells. */
function sightings(question: AnsweredQuestion, {file, cells}: ReadFile): Sighting[] {
  return cells.flatMap((cell) =>
    cell.calls
      .filter(({id}) => id === question.id)
      .map((call): Sighting => {
        const at = {file, cell: cell.number};
        if (cell.syntaxError !== null)
          return {
            ...at,
            judged: null,
            raw: null,
            unreadable: `the cell is no TypeScript (${cell.syntaxError})`,
          };
        if (call.unreadable !== null)
          return {...at, judged: null, raw: null, unreadable: call.unreadable};
        return {
          ...at,
          judged: judge(question, call.value, call.unit),
          raw: rawText(call.value),
          unreadable: null,
        };
      }),
  );
}

function rawText(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return (typeof value === 'string' ? value.trim() : JSON.stringify(value)).slice(0, 100);
}

/** No call of the question anywhere: its cell was edited, or it is gone. */
function lost(
  question: AnsweredQuestion,
  files: readonly ReadFile[],
  done: (
    status: Status,
    points: number,
    answer: null,
    message: string,
    problems: Problem[],
  ) => Outcome,
): Outcome {
  for (const {file, cells} of files) {
    const cell = cells.find(({answer}) => answer === question.id);
    if (!cell) continue;
    const message = `the answer cell of '${question.id}' was changed: ${howChanged(cell)}; it should read answer('${question.id}', '…')`;
    return done('edited', 0, null, message, [{code: 'edited', file, cell: cell.number, message}]);
  }
  const {file, notebook} = files[0]!;
  const message = `the answer cell of '${question.id}' is not in ${notebook} any more`;
  return done('missing', 0, null, message, [{code: 'missing', file, cell: null, message}]);
}

function howChanged(cell: ReadCell): string {
  if (cell.type !== 'code') return `it is a ${cell.type} cell now`;
  if (cell.source.trim() === '') return 'it is empty';
  const other = cell.calls[0];
  if (other) return `it answers '${other.id}' now`;
  if (cell.syntaxError !== null) return `it is no TypeScript (${cell.syntaxError})`;
  if (cell.withoutId > 0) return 'its id is not written as text';
  return 'it calls answer no more';
}
