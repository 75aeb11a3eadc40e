/**
 * The caller's side, scripts only. How a notebook opens, before its first code cell: a title, what
 * you will be able to do (three points), what you need, minutes to read and to run, new words.
 */
import {nameOf, sourceOf, type Notebook} from '../notebookFile';
import type {Problem} from './run';

const budget = {minutes: 45, newWords: 6};

/** The parts of an opening, where they are found. */
export interface Opening {
  title: string | null;
  /** The list after "you will be able to". */
  goals: string[] | null;
  needs: boolean;
  minutesToRead: number | null;
  /** "a few seconds" and the like count as 1. */
  minutesToRun: number | null;
  newWords: string[] | null;
}

/** A Markdown list, each item on one line or more. */
const bullets =
  '(?:[^\\S\\n]*(?:[-*]|\\d+\\.)\\s+[^\\n]+(?:\\n(?![^\\S\\n]*(?:(?:[-*]|\\d+\\.)\\s|\\n|$))[^\\n]*)*\\n*)+';

function itemsOf(list: string): string[] {
  return list
    .split(/\n(?=[^\S\n]*(?:[-*]|\d+\.)\s)/)
    .map((line) => line.replace(/^\s*(?:[-*]|\d+\.)\s+/, '').trim())
    .filter(Boolean);
}

function emphasized(text: string): string[] {
  return [...text.matchAll(/\*([^*\n]+)\*|_([^_\n]+)_|`([^`\n]+)`/g)].map(
    (found) => found[1] ?? found[2] ?? found[3]!,
  );
}

export function readOpening(text: string): Opening {
  const flat = text.replace(/[*_]{2}/g, '');
  const goals = new RegExp(
    `\\byou (?:will|'ll|can) be able to\\b[^\\n]*\\n+(${bullets})`,
    'i',
  ).exec(flat);
  const list = new RegExp(`\\bNew words?(?: \\(\\d+\\))?:?[^\\S\\n]*\\n+(${bullets})`, 'i').exec(
    flat,
  );
  const sentence = /\bNew words?(?: \(\d+\))?:?[^\S\n]*([^]+?)(?:\n[^\S\n]*\n|$(?![^]))/i.exec(
    flat,
  );
  return {
    title: /^#\s+(.+)$/m.exec(text)?.[1] ?? null,
    goals: goals ? itemsOf(goals[1]!) : null,
    needs: /\byou(?:'ll| will)? need\b/i.test(flat),
    minutesToRead: minutes(flat, 'read'),
    minutesToRun: minutes(flat, 'run'),
    newWords: list
      ? itemsOf(list[1]!).map((item) => emphasized(item)[0] ?? item)
      : sentence && wordsIn(sentence[1]!),
  };
}

/**
 * "12 minutes to read" or "the cells run in a few seconds": minutes, rounded up; null where it says
 * none.
 */
function minutes(text: string, what: 'read' | 'run'): number | null {
  const amount = '(\\d+|an?|one|two|a few|under a)\\s+(minutes?|seconds?)';
  const between = '(?:(?!minutes?|seconds?)[^.;])*?'; // Up to the next amount, and within the sentence.
  const found =
    new RegExp(`${amount}\\b${between}\\b${what}`, 'i').exec(text) ??
    new RegExp(`\\b${what}s? in\\b${between}\\b${amount}`, 'i').exec(text);
  if (!found) return null;
  const value = amountOf(found[1]!);
  return /second/i.test(found[2]!) ? Math.ceil(value / 60) : value;
}

/** "12", "two", "a few": the number that is meant; words that say none in particular count as 1. */
function amountOf(words: string): number {
  if (!Number.isNaN(Number(words))) return Number(words);
  return words.toLowerCase() === 'two' ? 2 : 1;
}

/** The words named: those set in italics or code where any are, else what stands between commas. */
function wordsIn(text: string): string[] {
  const marked = emphasized(text);
  if (marked.length) return marked;
  if (/^\s*(none|no new words)\b/i.test(text)) return [];
  return text
    .replace(/\.\s*$/, '')
    .split(/[,;·]|\band\b|\n\s*[-*]\s/)
    .map((word) => word.trim())
    .filter(Boolean);
}

export function openingProblems(notebook: Notebook): Problem[] {
  const firstCode = notebook.cells.findIndex(({cell_type}) => cell_type === 'code');
  const lead = notebook.cells
    .slice(0, firstCode < 0 ? undefined : firstCode)
    .filter(({cell_type}) => cell_type === 'markdown');
  if (
    notebook.cells[0]?.cell_type !== 'markdown' ||
    !/^#\s/.test(sourceOf(notebook.cells[0]).trimStart())
  ) {
    return [
      {
        ...(notebook.cells.length ? nameOf(notebook.cells, 0) : {}),
        rule: 'opening',
        message: 'it must begin with a Markdown cell that begins with a title (# ...)',
      },
    ];
  }
  const opening = readOpening(lead.map(sourceOf).join('\n\n'));
  const problems: string[] = [];
  if (!opening.goals) problems.push('it does not say "you will be able to", with a list after it');
  else if (opening.goals.length !== 3)
    problems.push(
      `"you will be able to" has ${opening.goals.length} points; it takes three, each a verb`,
    );
  if (!opening.needs) problems.push('it does not say what you need ("What you need: ...")');
  if (opening.minutesToRead === null)
    problems.push('it does not say how many minutes it takes to read ("20 minutes to read")');
  if (opening.minutesToRun === null)
    problems.push('it does not say how many minutes it takes to run ("2 minutes to run")');
  const minutesInAll = (opening.minutesToRead ?? 0) + (opening.minutesToRun ?? 0);
  if (minutesInAll > budget.minutes)
    problems.push(`${minutesInAll} minutes; its budget is ${budget.minutes}`);
  if (!opening.newWords)
    problems.push(
      'it does not say which words are new ("New words: *tensor*, *loss*", or "New words: none")',
    );
  else if (opening.newWords.length > budget.newWords)
    problems.push(
      `${opening.newWords.length} new words (${opening.newWords.join(', ')}); its budget is ${budget.newWords}`,
    );
  return problems.map((message) => ({...nameOf(notebook.cells, 0), rule: 'opening', message}));
}
