/**
 * `npm run quizzes`: writes stems and options from the banks into the notebooks;
 * `--check` only compares.
 */
import {readdirSync} from 'node:fs';
import {basename, join} from 'node:path';
import {messageOf} from '../lib/base/errors';
import {writeWhole} from '../lib/base/wholeFile';
import {loadBank, type Bank} from '../lib/quiz/bank';
import {
  exitWith,
  print,
  runCommand,
  typedPath,
  wrongUse,
  type Streams,
  type Values,
} from './command';
import {courseCells, courseNameOf, readNotebook, withSources} from './notebookFile';
import {difference, misfits, staleCells, type Change, type CourseNotebook} from './quizzes/compare';
import {courseRoot} from './root';

const help = `Writes the questions of quizzes/*.md into the notebooks' Markdown cells.

  npm run quizzes              writes; every other byte of a notebook stays as it is
  npm run quizzes -- --check   writes nothing; fails where a cell differs from the bank

  --notebooks FOLDER, --bank FOLDER   other folders than the course's own

Exit code: 0 all agree; 1 a cell differs, or is missing; 2 wrong use, or an error in a bank or a notebook.
`;

const options = {
  check: {type: 'boolean'},
  notebooks: {type: 'string'},
  bank: {type: 'string'},
} as const;

/** Runs the command; resolves to its exit code. */
export function main(argv: readonly string[], streams?: Streams): Promise<number> {
  return runCommand({name: 'quizzes', help, options, run}, argv, streams);
}

async function run(
  {values}: {values: Values<typeof options>},
  {stdout, stderr}: Streams,
): Promise<number> {
  const bank: Bank =
    values.bank === undefined
      ? loadBank()
      : loadBank(typedPath(values.bank), basename(values.bank));
  const notebooks = courseNotebooks(values.notebooks);
  const stale = staleCells(bank, notebooks);
  const failures = misfits(bank, notebooks);
  if (values.check) failures.unshift(...stale.map(difference));
  else await print(stdout, written(stale));
  for (const failure of failures) stderr.write(`${failure}\n`);
  if (failures.length > 0) return 1;
  await print(
    stdout,
    `${bank.questions.length} questions in ${notebooks.length} notebooks agree with the banks.\n`,
  );
  return 0;
}

/** Writes the new sources into the notebooks; returns a line for each. */
function written(stale: readonly Change[]): string {
  for (const notebook of new Set(stale.map((change) => change.notebook))) {
    const changes = stale
      .filter((change) => change.notebook === notebook)
      .map(({cell: {number}, source}) => ({number, source}));
    writeWhole(notebook.path, withSources(notebook.text, changes));
  }
  return stale
    .map(
      ({notebook, cell}) => `wrote '${cell.question}' into ${notebook.file}, cell ${cell.number}\n`,
    )
    .join('');
}

function courseNotebooks(typed: string | undefined): CourseNotebook[] {
  const folder = typed === undefined ? join(courseRoot(), 'notebooks') : typedPath(typed);
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch (error) {
    throw wrongUse(`quizzes: the folder of notebooks cannot be read: ${messageOf(error)}.`);
  }
  return files
    .filter((file) => file.endsWith('.ipynb'))
    .sort()
    .map((file) => {
      const path = join(folder, file);
      const {notebook, text} = readNotebook(path);
      return {file, path, text, name: courseNameOf(notebook), cells: courseCells(notebook)};
    });
}

if (require.main === module) exitWith(main(process.argv.slice(2)));
