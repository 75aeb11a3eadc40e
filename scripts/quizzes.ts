/**
 * `npm run quizzes`: writes stems and options from the banks into the notebooks;
 * `--check` only compares.
 */
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {basename, join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {ManyHandsError, messageOf} from '../lib/base/errors';
import {loadBank} from '../lib/quiz/bank';
import {difference, misfits, staleCells, type CourseNotebook} from './quizzes/compare';
import {readStored, withSources} from './quizzes/notebookText';
import {courseRoot} from './root';

const help = `Writes the questions of quizzes/*.md into the notebooks' Markdown cells.

  npm run quizzes              writes; every other byte of a notebook stays as it is
  npm run quizzes -- --check   writes nothing; fails where a cell differs from the bank

  --notebooks FOLDER, --bank FOLDER   other folders than the course's own

Exit code: 0 all agree; 1 a cell differs, or is missing; 2 wrong use, or an error in a bank or a notebook.
`;

/** Where the command writes. */
export interface Writers {
  stdout: {write(text: string): unknown};
  stderr: {write(text: string): unknown};
}

/** Runs the command; returns its exit code. */
export function main(argv: readonly string[], {stdout, stderr}: Writers = process): number {
  try {
    const {values} = parseArgs({
      args: [...argv],
      options: {
        check: {type: 'boolean'},
        notebooks: {type: 'string'},
        bank: {type: 'string'},
        help: {type: 'boolean', short: 'h'},
      },
    });
    if (values.help) {
      stdout.write(help);
      return 0;
    }
    const folder =
      values.notebooks === undefined ? join(courseRoot(), 'notebooks') : resolve(values.notebooks);
    const bank =
      values.bank === undefined
        ? loadBank()
        : loadBank(resolve(values.bank), basename(values.bank));
    const notebooks = courseNotebooks(folder);
    const stale = staleCells(bank, notebooks);
    const failures = misfits(bank, notebooks);
    if (values.check) failures.unshift(...stale.map(difference));
    else {
      for (const notebook of new Set(stale.map((change) => change.notebook))) {
        writeFileSync(
          join(folder, notebook.file),
          withSources(
            notebook.text,
            stale.filter((change) => change.notebook === notebook),
          ),
        );
      }
      for (const {notebook, cell} of stale)
        stdout.write(`wrote '${cell.question}' into ${notebook.file}, cell ${cell.number}\n`);
    }
    for (const failure of failures) stderr.write(`${failure}\n`);
    if (failures.length > 0) return 1;
    stdout.write(
      `${bank.questions.length} questions in ${notebooks.length} notebooks agree with the banks.\n`,
    );
    return 0;
  } catch (error) {
    stderr.write(`${messageOf(error)}\n`);
    return error instanceof ManyHandsError ||
      String((error as {code?: unknown}).code).startsWith('ERR_PARSE_ARGS')
      ? 2
      : 1;
  }
}

function courseNotebooks(folder: string): CourseNotebook[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.ipynb'))
    .sort();
  return files.map((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    return {file, text, stored: readStored(text, file)};
  });
}

if (require.main === module) process.exitCode = main(process.argv.slice(2));
