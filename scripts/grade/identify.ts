/**
 * Which notebook of the course a file is: by the name in its metadata, else by the
 * questions in it, never by its file name.
 */
import {messageOf} from '../../lib/base/errors';
import type {Bank} from '../../lib/quiz/bank';
import {answerCalls, type CellCalls} from './answerCalls';
import {courseCells, type CourseCell, type Notebook} from '../notebookFile';

/** A cell with the answers that stand in it. */
export interface ReadCell extends CourseCell, CellCalls {}

/**
 * Longer cells are not parsed: no answer is that long, and a tree of them takes memory and time.
 */
const longestSource = 200_000;

/** Reads the answers in every cell. */
export function readCells(notebook: Notebook): ReadCell[] {
  return courseCells(notebook).map((cell) => {
    if (cell.type !== 'code') return {...cell, calls: [], withoutId: 0, syntaxError: null};
    const none = (why: string): ReadCell => ({...cell, calls: [], withoutId: 0, syntaxError: why});
    if (cell.source.length > longestSource)
      return none(`it has ${cell.source.length} letters, too many to read`);
    try {
      return {...cell, ...answerCalls(cell.source)};
    } catch (error) {
      // Code nested thousands deep exhausts the parser's stack: that cell is lost, not its
      // notebook.
      return none(messageOf(error));
    }
  });
}

/**
 * The notebook's name in the course; null for a file that names no notebook and holds none of its
 * questions. A name that the bank does not know stays where no question says otherwise: a notebook
 * of the course may ask nothing.
 */
export function identify(
  bank: Bank,
  name: string | null,
  cells: readonly ReadCell[],
): string | null {
  if (name !== null && bank.notebooks.includes(name)) return name;
  const ids = new Set<string>();
  for (const cell of cells) {
    for (const id of [cell.answer, cell.question, ...cell.calls.map((call) => call.id)])
      if (id !== null && bank.find(id)) ids.add(id);
  }
  if (ids.size === 0) return name;
  const scored = bank.notebooks.map((notebook) => {
    const questions = bank.in(notebook);
    const shared = questions.filter(({id}) => ids.has(id)).length;
    return {notebook, shared, lacking: questions.length - shared};
  });
  // The most questions in common; of equals the one that lacks fewest, then the later one.
  return scored.reduce((best, one) =>
    one.shared > best.shared || (one.shared === best.shared && one.lacking <= best.lacking)
      ? one
      : best,
  ).notebook;
}
