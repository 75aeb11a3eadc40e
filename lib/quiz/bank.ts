/**
 * The course's bank of questions: reads, checks and sorts every `quizzes/*.md`.
 */
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {ManyHandsError, messageOf} from '../base/errors';
import {parseBank, type ParsedBank} from './parse';
import type {BankProblem, Question} from './question';

/** The questions of a course, in the order of their files. */
export class Bank {
  private readonly byId: Map<string, Question>;
  constructor(readonly questions: readonly Question[]) {
    this.byId = new Map(questions.map((question) => [question.id, question]));
  }

  find(id: string): Question | undefined {
    return this.byId.get(id);
  }

  get ids(): string[] {
    return [...this.byId.keys()];
  }

  /** The notebooks that hold questions, in reading order. */
  get notebooks(): string[] {
    const names = new Set(this.questions.flatMap((question) => question.notebooks));
    return [...names].sort(inReadingOrder);
  }

  /** The questions of a notebook. */
  in(notebook: string): Question[] {
    return this.questions.filter((question) => question.notebooks.includes(notebook));
  }
}

/** Compares names by the number at their beginning: '2-x' comes before '14-y', 'z' comes last. */
export function inReadingOrder(first: string, second: string): number {
  return first.localeCompare(second, 'en', {numeric: true});
}

/** The folder with the banks of this package. */
const banksFolder = join(__dirname, '..', '..', '..', 'quizzes');

/**
 * Reads every bank of a folder. Throws BAD_BANK with all problems, a line each: `file:line: reason`.
 * `name` stands for the folder in those lines.
 */
export function loadBank(folder: string = banksFolder, name = 'quizzes'): Bank {
  const files = existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => file.endsWith('.md') && file !== 'README.md')
        .sort()
    : [];
  if (files.length === 0) {
    throw new ManyHandsError(
      'BAD_BANK',
      `No question bank (a Markdown file) in ${folder}. Put the course's quizzes/ folder there.`,
    );
  }
  const questions: Question[] = [];
  const problems: BankProblem[] = [];
  const ids: ParsedBank['ids'] = [];
  for (const file of files) {
    const shownFile = `${name}/${file}`;
    try {
      const parsed = parseBank(readFileSync(join(folder, file), 'utf8'), shownFile);
      questions.push(...parsed.questions);
      problems.push(...parsed.problems);
      ids.push(...parsed.ids);
    } catch (error) {
      problems.push({file: shownFile, line: 1, message: `cannot be read: ${messageOf(error)}`});
    }
  }
  problems.push(...duplicates(ids));
  if (problems.length > 0) throw badBank(problems);
  return new Bank(questions);
}

function duplicates(ids: ParsedBank['ids']): BankProblem[] {
  const first = new Map<string, ParsedBank['ids'][number]>();
  return ids.flatMap(({id, file, line}) => {
    const before = first.get(id);
    if (!before) first.set(id, {id, file, line});
    return before
      ? [
          {
            file,
            line,
            message: `the id '${id}' is already used by the question at ${before.file}:${before.line}; choose another`,
          },
        ]
      : [];
  });
}

function badBank(problems: BankProblem[]): ManyHandsError {
  const sorted = [...problems].sort((a, b) => {
    if (a.file === b.file) return a.line - b.line;
    return a.file < b.file ? -1 : 1;
  });
  const lines = sorted.map(({file, line, message}) => `${file}:${line}: ${message}`);
  const count = lines.length === 1 ? 'One error' : `${lines.length} errors`;
  return new ManyHandsError('BAD_BANK', `${count} in the question banks:\n${lines.join('\n')}`);
}

let course: Bank | undefined;

/** The bank of this package; it is read once. Throws BAD_BANK. */
export function courseBank(): Bank {
  course ??= loadBank();
  return course;
}
