/**
 * Holds the stored notebooks to the banks: which cells say something else, are
 * missing, or are too many.
 */
import type {Bank} from '../../lib/quiz/bank';
import type {Question} from '../../lib/quiz/question';
import {nearest} from '../../lib/base/nearest';
import {answerCalls} from '../grade/answerCalls';
import type {CourseCell} from '../notebookFile';
import {questionCell} from './questionCell';

/** A notebook of the course, by its file's name. */
export interface CourseNotebook {
  file: string;
  path: string;
  text: string;
  /** `metadata.many_hands.notebook`. */
  name: string | null;
  cells: CourseCell[];
}

export interface Change {
  notebook: CourseNotebook;
  cell: CourseCell;
  source: string;
}

/** The Markdown cells whose text is not that of the bank. */
export function staleCells(bank: Bank, notebooks: readonly CourseNotebook[]): Change[] {
  return notebooks.flatMap((notebook) =>
    notebook.cells.flatMap((cell) => {
      const question =
        cell.question === null || cell.type !== 'markdown' ? undefined : bank.find(cell.question);
      const source = question && questionCell(question);
      return source === undefined || source === cell.source ? [] : [{notebook, cell, source}];
    }),
  );
}

/** How a stale cell differs, in one sentence: its first line that does. */
export function difference({notebook, cell, source}: Change): string {
  const [has, wants] = [cell.source.split('\n'), source.split('\n')];
  const at = wants.findIndex((line, n) => line !== has[n]);
  const line = at < 0 ? wants.length : at;
  const quoted = (text: string | undefined): string =>
    text === undefined ? 'nothing' : JSON.stringify(text);
  return `${notebook.file}, cell ${cell.number} ('${cell.question}'), line ${line + 1}: the bank has ${quoted(wants[line])}, the cell has ${quoted(has[line])}`;
}

/** Everything else that a person must mend: cells missing, doubled, unknown or out of place. */
export function misfits(bank: Bank, notebooks: readonly CourseNotebook[]): string[] {
  const absent = bank.notebooks.filter(
    (name) => !notebooks.some((notebook) => notebook.name === name),
  );
  return [
    ...absent.map(
      (name) =>
        `no notebook has "many_hands": {"notebook": "${name}"} in its metadata, but the bank puts ${bank
          .in(name)
          .map(({id}) => `'${id}'`)
          .join(', ')} there`,
    ),
    ...notebooks.flatMap((notebook) => [
      ...unknownIds(bank, notebook),
      ...bank.in(notebook.name ?? '').flatMap((question) => placing(question, notebook)),
    ]),
  ];
}

function unknownIds(bank: Bank, {file, name, cells}: CourseNotebook): string[] {
  return cells.flatMap((cell) => {
    const ids = [cell.question, cell.answer].filter((id) => id !== null);
    return [...new Set(ids)].flatMap((id) => {
      const question = bank.find(id);
      if (!question)
        return [
          `${file}, cell ${cell.number}: no bank has a question '${id}'; the nearest is '${nearest(id, bank.ids)}'`,
        ];
      if (question.notebooks.includes(name ?? '')) return [];
      return [
        `${file}, cell ${cell.number}: the bank puts '${id}' in ${question.notebooks.join(', ')}, not in ${name ?? 'a notebook without a name'}`,
      ];
    });
  });
}

function placing(question: Question, {file, cells}: CourseNotebook): string[] {
  const {id} = question;
  const found: string[] = [];
  const asked = cells.filter((cell) => cell.question === id);
  const answered = cells.filter((cell) => cell.answer === id);
  if (asked.length !== 1)
    found.push(
      `${file}: ${asked.length} cells have the metadata "many_hands": {"question": "${id}"}; one Markdown cell should`,
    );
  if (answered.length !== 1)
    found.push(
      `${file}: ${answered.length} cells have the metadata "many_hands": {"answer": "${id}"}; one code cell should`,
    );
  const wrongType = [
    ...asked.filter(({type}) => type !== 'markdown'),
    ...answered.filter(({type}) => type !== 'code'),
  ];
  for (const cell of wrongType)
    found.push(
      `${file}, cell ${cell.number}: the ${cell.question === id ? 'question' : 'answer'} cell of '${id}' is a ${cell.type} cell`,
    );
  if (asked.length === 1 && answered.length === 1 && asked[0]!.number > answered[0]!.number) {
    found.push(
      `${file}, cell ${answered[0]!.number}: the answer cell of '${id}' stands before its question`,
    );
  }
  for (const cell of answered) {
    const problem = answerCellProblem(question, cell);
    if (problem) found.push(`${file}, cell ${cell.number}: ${problem}`);
  }
  return found;
}

/**
 * A stored answer cell must wait for its learner: a blank call for a choice, a call of check for
 * code.
 */
function answerCellProblem(question: Question, cell: CourseCell): string | null {
  if (cell.type !== 'code') return null;
  const {id, kind} = question;
  if (kind === 'code')
    return cell.source.includes(`check('${id}'`)
      ? null
      : `the answer cell of '${id}' does not call check('${id}', ...)`;
  const {calls} = answerCalls(cell.source);
  const [call] = calls;
  const own = calls.length === 1 && call!.id === id && call!.unreadable === null ? call! : null;
  if (kind === 'numeric') {
    const wanted = `answer('${id}', null${question.unit === '' ? '' : `, '${question.unit}'`})`;
    const waits = own && own.value === null && (own.unit ?? '') === question.unit;
    return waits ? null : `the answer cell of '${id}' should be ${wanted}, left for the learner`;
  }
  return own && own.value === ''
    ? null
    : `the answer cell of '${id}' should be answer('${id}', ''), left for the learner`;
}
