/**
 * All that one learner handed in, graded: each question once, in the notebook where it
 * counts.
 */
import {messageOf} from '../../lib/base/errors';
import {inReadingOrder, type Bank} from '../../lib/quiz/bank';
import type {AnsweredQuestion, Question} from '../../lib/quiz/question';
import {nearest} from '../../lib/base/nearest';
import {gradeQuestion, type Outcome, type ReadFile} from './gradeQuestion';
import {identify, readCells} from './identify';
import {courseNameOf, readHandedIn} from '../notebookFile';
import type {LearnerResult, Problem} from './results';
import type {Submission} from './submissions';

/**
 * Where a question counts if it was handed in; else in the last notebook, in reading order, that
 * holds it.
 */
const practiceNotebook = '14-practice';

/**
 * Questions that this grader gives points for; code is checked in the notebook and counts nothing
 * here.
 */
function isGraded(question: Question): question is AnsweredQuestion {
  return question.kind !== 'code';
}

/**
 * Grades a submission. Whatever is wrong with a file is a problem of its learner, never an error.
 */
export function gradeLearner(bank: Bank, submission: Submission): LearnerResult {
  const problems: Problem[] = [...submission.problems];
  const files: ReadFile[] = [];
  for (const {path, file} of submission.notebooks) {
    try {
      const read = readHandedIn(path);
      if ('unreadable' in read) {
        problems.push({
          code: read.unreadable.code,
          file,
          cell: null,
          message: read.unreadable.message,
        });
        continue;
      }
      const cells = readCells(read.notebook);
      const notebook = identify(bank, courseNameOf(read.notebook), cells);
      if (notebook !== null) files.push({file, notebook, cells});
      else {
        const message =
          'this notebook names no notebook of the course and holds none of its questions';
        problems.push({code: 'not-of-this-course', file, cell: null, message});
      }
    } catch (error) {
      problems.push({
        code: 'failed',
        file,
        cell: null,
        message: `this file could not be graded: ${messageOf(error)}`,
      });
    }
  }
  const byNotebook = new Map<string, ReadFile[]>();
  for (const file of files)
    byNotebook.set(file.notebook, [...(byNotebook.get(file.notebook) ?? []), file]);
  for (const [notebook, same] of byNotebook) {
    const message = `${notebook} was handed in ${same.length} times: ${same.map(({file}) => file).join(', ')}`;
    if (same.length > 1)
      problems.push({code: 'same-notebook-twice', file: same[1]!.file, cell: null, message});
  }
  const places = [...byNotebook.keys()].sort(inCountingOrder);
  const questions = questionsIn(bank, places).map((question) => {
    const {result, problems: own} = gradeInPlaces(question, places, byNotebook);
    problems.push(...own);
    return result;
  });
  for (const file of files) problems.push(...strays(bank, file, places));
  const sum = (key: 'points' | 'max'): number =>
    questions.reduce((total, question) => total + question[key], 0);
  return {
    learner: submission.learner,
    files: submission.notebooks.map(({file}) => file),
    score: sum('points'),
    max: sum('max'),
    questions,
    problems,
  };
}

/** The notebooks so that the one in which a question counts comes last. */
function inCountingOrder(one: string, other: string): number {
  if (one === other) return 0;
  if (one === practiceNotebook || other === practiceNotebook)
    return one === practiceNotebook ? 1 : -1;
  return inReadingOrder(one, other);
}

/**
 * The graded questions of these notebooks, in the bank's order within the notebooks' reading order,
 * each once.
 */
export function questionsIn(bank: Bank, notebooks: readonly string[]): AnsweredQuestion[] {
  const inOrder = [...notebooks].sort(inReadingOrder);
  return [...new Set(inOrder.flatMap((notebook) => bank.in(notebook)))].filter(isGraded);
}

/** Grades a question where it counts, and compares what its other places say. */
function gradeInPlaces(
  question: AnsweredQuestion,
  places: readonly string[],
  byNotebook: ReadonlyMap<string, ReadFile[]>,
): Outcome {
  const own = places.filter((place) => question.notebooks.includes(place));
  const counts = own.at(-1)!;
  const outcome = gradeQuestion(question, byNotebook.get(counts)!);
  const problems = [...outcome.problems];
  for (const place of places) {
    if (place === counts) continue;
    const files = byNotebook.get(place)!;
    const other = gradeQuestion(question, files).result;
    if (other.answer === null || other.answer === outcome.result.answer) continue;
    const here =
      outcome.result.answer === null
        ? `is ${outcome.result.status} in ${counts}`
        : `is ${outcome.result.answer} in ${counts}`;
    problems.push({
      code: 'contradiction',
      file: files[0]!.file,
      cell: null,
      message: `'${question.id}' ${here}, where it counts, and ${other.answer} in ${place}`,
    });
  }
  return {result: outcome.result, problems};
}

/** Answers to questions that are unknown, or whose notebook was not handed in. */
function strays(
  bank: Bank,
  {file, notebook, cells}: ReadFile,
  places: readonly string[],
): Problem[] {
  return cells.flatMap((cell) =>
    cell.calls.flatMap(({id}): Problem[] => {
      const question = bank.find(id);
      if (!question) {
        // In an answer cell the question itself is reported as edited.
        if (cell.answer !== null && bank.find(cell.answer)) return [];
        return [
          {
            code: 'unknown-id',
            file,
            cell: cell.number,
            message: `there is no question '${id.slice(0, 60)}'; did its author mean '${nearest(id, bank.ids)}'?`,
          },
        ];
      }
      if (!isGraded(question) || question.notebooks.some((place) => places.includes(place)))
        return [];
      const message = `'${id}' is answered in ${notebook}, but belongs to ${question.notebooks.join(', ')}, which was not handed in; it is not counted`;
      return [{code: 'misplaced', file, cell: cell.number, message}];
    }),
  );
}
