/**
 * `npm run grade -- SUBMISSIONS --out report/`: grades what learners handed in.
 */
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
import {gradesCsv} from './grade/csv';
import {gradeLearner, questionsIn} from './grade/gradeLearner';
import {feedbackPage} from './grade/page';
import {isFailure, type Results} from './grade/results';
import {findSubmissions} from './grade/submissions';
import {gradesTable} from './grade/table';
import {checkOut, pageNames, writeReport, type Report} from './grade/write';

const help = `Grades notebooks. Nothing of a submission is executed: answers are read from the cells' syntax trees.

  npm run grade -- SUBMISSIONS [--out REPORT] [--json] [--bank FOLDER]

SUBMISSIONS   a folder with a folder a learner (LEARNER/*.ipynb) or a notebook a learner (LEARNER.ipynb), or one notebook
--out REPORT  writes grades.csv, results.json and feedback/LEARNER.html there; an older report is replaced whole
--json        prints what results.json holds on stdout, and nothing else
--bank FOLDER the question banks; default: the course's own quizzes/

A question counts once per learner: in notebook 14 if that was handed in, else in the last notebook that holds it. Points are out of
the questions of the notebooks that were handed in. Contradicting answers to one question count nothing and are named.

Exit code: 0 all graded (wrong, unanswered, missing, duplicated and edited answers are results, not failures); 1 graded, except that some
learner has no file or a file that could not be graded (each is named); 2 wrong use, or an error in a question bank.
`;

/** The outcome of a grading, before it is shown. */
export interface Graded {
  results: Results;
  /** The question columns: those of every notebook that anybody handed in. */
  ids: string[];
}

/** Grades everything at `path`. Throws BAD_OPTION where there is nothing to read. */
export function grade(path: string, bank: Bank): Graded {
  const learners = findSubmissions(path).map((submission) => gradeLearner(bank, submission));
  const asked = new Set(learners.flatMap(({questions}) => questions.map(({id}) => id)));
  const ids = questionsIn(bank, bank.notebooks)
    .map(({id}) => id)
    .filter((id) => asked.has(id));
  return {results: {course: 'many-hands', learners}, ids};
}

function reportOf({results, ids}: Graded, bank: Bank): Report {
  const pages = pageNames(results.learners.map(({learner}) => learner));
  return new Map([
    ['grades.csv', gradesCsv(results.learners, ids)],
    ['results.json', `${JSON.stringify(results, null, 1)}\n`],
    ...results.learners.map((one, at): [string, string] => [
      `feedback/${pages[at]}`,
      feedbackPage(bank, one),
    ]),
  ]);
}

const options = {
  out: {type: 'string'},
  bank: {type: 'string'},
  json: {type: 'boolean'},
} as const;

/** Runs the command; resolves to its exit code. */
export function main(argv: readonly string[], streams?: Streams): Promise<number> {
  return runCommand({name: 'grade', help, options, takesWords: true, run}, argv, streams);
}

async function run(
  {values, words}: {values: Values<typeof options>; words: string[]},
  {stdout, stderr}: Streams,
): Promise<number> {
  if (words.length !== 1) {
    const wrong =
      words.length === 0
        ? 'name the submissions'
        : `one folder of submissions at a time, not ${words.length}`;
    throw wrongUse(`grade: ${wrong}.`);
  }
  const path = typedPath(words[0]!);
  const out = values.out === undefined ? null : typedPath(values.out);
  if (out !== null) checkOut(out, path);
  const bank =
    values.bank === undefined
      ? loadBank()
      : loadBank(typedPath(values.bank), values.bank.replace(/[\\/]+$/, ''));
  const graded = grade(path, bank);
  const {learners} = graded.results;
  if (out !== null) writeReport(out, reportOf(graded, bank));
  await print(
    stdout,
    values.json ? `${JSON.stringify(graded.results)}\n` : gradesTable(learners, graded.ids),
  );
  if (out !== null) stderr.write(`Report: ${out}\n`);
  return learners.some(({problems}) => problems.some(isFailure)) ? 1 : 0;
}

if (require.main === module) exitWith(main(process.argv.slice(2)));
