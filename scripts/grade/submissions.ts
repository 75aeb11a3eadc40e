/**
 * Who handed in which files: SUBMISSIONS/LEARNER/*.ipynb, SUBMISSIONS/LEARNER.ipynb,
 * or one notebook.
 */
import {readdirSync, realpathSync, statSync, type Dirent} from 'node:fs';
import {basename, join} from 'node:path';
import {ManyHandsError, messageOf} from '../../lib/base/errors';
import type {Problem} from './results';

/** A notebook to grade: where it lies, and its path inside the submissions, with `/`. */
interface HandedIn {
  path: string;
  file: string;
}

export interface Submission {
  learner: string;
  notebooks: HandedIn[];
  problems: Problem[];
}

const skipped = new Set(['node_modules', '__pycache__', '__MACOSX']);
const most = 500;
const deepest = 8;

/**
 * All submissions at `path`, by learner in the order of their names. Throws BAD_OPTION where there
 * is nothing to grade.
 */
export function findSubmissions(path: string): Submission[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `${path} cannot be opened (${messageOf(error)}). Name the folder of submissions, or one notebook.`,
    );
  }
  const found = new Map<string, Submission>();
  const of = (name: string): Submission => {
    // One name in two ways of composing its accents is one learner.
    const learner = name.normalize('NFC');
    let submission = found.get(learner);
    if (!submission) found.set(learner, (submission = {learner, notebooks: [], problems: []}));
    return submission;
  };
  if (!isFolder) {
    of(withoutExtension(basename(path))).notebooks.push({
      path: realpathSync(path),
      file: basename(path),
    });
  } else {
    for (const entry of entriesOf(path)) {
      if (ignored(entry)) continue;
      if (entry.isDirectory()) collectLearner(join(path, entry.name), entry.name, of(entry.name));
      else addFile(path, entry, '', of(withoutExtension(entry.name)), true);
    }
  }
  if (found.size === 0)
    throw new ManyHandsError(
      'BAD_OPTION',
      `${path} is empty: it should hold a folder, or a notebook, a learner.`,
    );
  for (const submission of found.values()) {
    submission.notebooks.sort((a, b) => (a.file < b.file ? -1 : 1));
    if (submission.notebooks.length === 0 && submission.problems.length === 0) {
      submission.problems.push({
        code: 'no-notebook',
        file: null,
        cell: null,
        message: 'nothing was handed in: the folder is empty',
      });
    }
  }
  return [...found.values()].sort(
    (a, b) =>
      a.learner.localeCompare(b.learner, 'en', {numeric: true}) || (a.learner < b.learner ? -1 : 1),
  );
}

function entriesOf(folder: string): Dirent[] {
  return readdirSync(folder, {withFileTypes: true}).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function ignored(entry: Dirent): boolean {
  return entry.name.startsWith('.') || skipped.has(entry.name);
}

/** Takes what a learner's folder holds, or says what lies there in place of a notebook. */
function collectLearner(folder: string, name: string, submission: Submission): void {
  const before = submission.notebooks.length + submission.problems.length;
  const others = collect(folder, name, submission, 1);
  if (others.length === 0 || submission.notebooks.length + submission.problems.length > before)
    return;
  const names = `${others.slice(0, 5).join(', ')}${others.length > 5 ? ` and ${others.length - 5} more` : ''}`;
  submission.problems.push({
    code: 'no-notebook',
    file: null,
    cell: null,
    message: `no notebook (.ipynb) among the files handed in: ${names}`,
  });
}

/**
 * Takes the notebooks of a folder and of the folders inside it; links are named, never followed.
 * Returns the names of other files.
 */
function collect(folder: string, inside: string, submission: Submission, depth: number): string[] {
  let entries: Dirent[];
  try {
    entries = entriesOf(folder);
  } catch (error) {
    submission.problems.push({
      code: 'unreadable',
      file: inside,
      cell: null,
      message: `this folder cannot be read: ${messageOf(error)}`,
    });
    return [];
  }
  const others: string[] = [];
  for (const entry of entries) {
    if (ignored(entry)) continue;
    const file = `${inside}/${entry.name}`;
    if (entry.isDirectory() && depth >= deepest) {
      submission.problems.push({
        code: 'too-many',
        file,
        cell: null,
        message: `folders more than ${deepest} deep are not looked into`,
      });
    } else if (entry.isDirectory())
      others.push(...collect(join(folder, entry.name), file, submission, depth + 1));
    else if (!addFile(folder, entry, `${inside}/`, submission, false)) others.push(entry.name);
  }
  return others;
}

/** Adds one entry; false where it is a file of another kind that may be left aside. */
function addFile(
  folder: string,
  entry: Dirent,
  inside: string,
  submission: Submission,
  alone: boolean,
): boolean {
  const file = `${inside}${entry.name}`;
  const add = (code: Problem['code'], message: string): void =>
    void submission.problems.push({code, file, cell: null, message});
  if (entry.name.includes('\uFFFD'))
    add('bad-name', 'the name of this file is not UTF-8, so it cannot be opened; rename it');
  else if (entry.isSymbolicLink())
    add('link', 'this is a link, and links are not followed; hand in the file itself');
  else if (/\.ipynb$/i.test(entry.name)) {
    if (submission.notebooks.length < most)
      submission.notebooks.push({path: join(folder, entry.name), file});
    else if (!submission.problems.some(({code}) => code === 'too-many'))
      add('too-many', `more than ${most} notebooks; this one and those after it are not graded`);
  } else if (/\.ipynb\b/i.test(entry.name))
    add(
      'not-a-notebook',
      'the name does not end in .ipynb: something added to it on the way; rename it',
    );
  else if (alone) add('not-a-notebook', 'this is no notebook (.ipynb)');
  else return false;
  return true;
}

function withoutExtension(name: string): string {
  const stem = name.replace(/\.ipynb(\.\w+)?$/i, '');
  return stem === name ? name.replace(/(.)\.[^.]+$/, '$1') : stem || name;
}
