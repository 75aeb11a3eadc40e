import {spawnSync} from 'node:child_process';
import {Writable} from 'node:stream';
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {courseBank} from '#lib/quiz/bank.js';
import {main} from '#scripts/grade.js';
import {gradesCsv} from '#scripts/grade/csv.js';
import {feedbackPage} from '#scripts/grade/page.js';
import type {LearnerResult, Results} from '#scripts/grade/results.js';
import {pageNames} from '#scripts/grade/write.js';
import {gradeOne, notebookOf, practice, practiceIds, Submissions} from './submissions.js';

const program = join(__dirname, '../../build/scripts/grade.js');
let submissions: Submissions;
beforeEach(() => {
  submissions = new Submissions();
});
afterEach(() => submissions.remove());

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** The command as npm starts it. */
function spawned(...args: string[]): Ran {
  const {npm_lifecycle_event: _, ...env} = process.env;
  const {status, stdout, stderr} = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    cwd: submissions.root,
    env,
  });
  return {code: status, out: stdout, err: stderr};
}

/** The same in this process, which is quicker. */
async function run(...args: string[]): Promise<Ran> {
  const collect = (): {stream: Writable; text: () => string} => {
    const chunks: Buffer[] = [];
    const write = (chunk: Buffer, _: string, done: () => void): void => {
      chunks.push(chunk);
      done();
    };
    const stream = new Writable({write});
    return {stream, text: () => Buffer.concat(chunks).toString()};
  };
  const [out, err] = [collect(), collect()];
  const before = process.cwd();
  process.chdir(submissions.root);
  try {
    const code = await main(args, {stdout: out.stream, stderr: err.stream});
    return {code, out: out.text(), err: err.text()};
  } finally {
    process.chdir(before);
  }
}
const read = (file: string): string => readFileSync(join(submissions.root, 'report', file), 'utf8');

/** RFC 4180, as a reader of a table understands it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)!.push(quoted?.replace(/""/g, '"') ?? plain!);
    if (end === '\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('npm run grade', () => {
  it('writes grades.csv, results.json and a page a learner, and prints a table', async () => {
    submissions.put('Lovelace, Ada/a.ipynb', practice('ADBAC')).put('Bo.ipynb', practice('ADB B'));
    const {code, out, err} = await run('submissions', '--out', 'report');
    expect(code).toBe(0);
    expect(err).toBe(`Report: ${join(submissions.root, 'report')}\n`);
    expect(out).toMatch(/^learner +score {2}1 {2}2 {2}3 {2}4 {2}5$/m);
    expect(out).toMatch(/^Lovelace, Ada {2}5 of 5 {2}✓ {2}✓ {2}✓ {2}✓ {2}✓$/m);
    expect(out).toMatch(/^Bo {13}3 of 5 {2}✓ {2}✓ {2}✓ {2}· {2}✗$/m);
    expect(parseCsv(read('grades.csv'))).toEqual([
      ['learner', ...practiceIds, 'score', 'max', 'problems'],
      ['Bo', '1', '1', '1', '0', '0', '3', '5', ''],
      ['Lovelace, Ada', '1', '1', '1', '1', '1', '5', '5', ''],
    ]);
    const results = JSON.parse(read('results.json')) as Results;
    expect(results.course).toBe('many-hands');
    expect(Object.keys(results)).toEqual(['course', 'learners']);
    expect(Object.keys(results.learners[0]!)).toEqual([
      'learner',
      'files',
      'score',
      'max',
      'questions',
      'problems',
    ]);
    expect(results.learners[0]!.questions[3]).toEqual({
      id: 'idle-workers',
      kind: 'choice',
      points: 0,
      max: 1,
      answer: null,
      status: 'unanswered',
      message: expect.stringContaining('not answered yet'),
    });
    expect(readdirSync(join(submissions.root, 'report/feedback'))).toEqual([
      'Bo.html',
      'Lovelace, Ada.html',
    ]);
    expect(readdirSync(submissions.root).sort()).toEqual(['report', 'submissions']);
  });

  it('with --json writes one object to stdout and nothing else', () => {
    submissions.put('ana.ipynb', practice());
    const {code, out, err} = spawned('submissions', '--json', '--out', 'report');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(JSON.parse(read('results.json')));
    expect(out.split('\n')).toHaveLength(2);
    expect(err).toContain('Report:');
  });

  it('without --out writes nothing', async () => {
    submissions.put('ana.ipynb', practice());
    expect((await run('submissions')).code).toBe(0);
    expect(readdirSync(submissions.root)).toEqual(['submissions']);
  });

  it('takes one notebook, whose learner is called like it', async () => {
    submissions.put('ana.ipynb', practice('ADBAA'));
    const {code, out} = await run('submissions/ana.ipynb', '--json');
    expect(code).toBe(0);
    expect((JSON.parse(out) as Results).learners).toMatchObject([
      {learner: 'ana', files: ['ana.ipynb'], score: 4, max: 5},
    ]);
  });

  it('ends with 0 when all was graded, however wrong; with 1 when something could not be', async () => {
    const notebook = practice('BBBB ');
    notebook.cells.pop();
    submissions
      .put('ana/x.ipynb', practice('BBBB '))
      .put('bo.ipynb', notebookOf('14-practice', []));
    const good = await run('submissions');
    expect(good.code).toBe(0);
    expect(good.out).toContain('5 problems:');
    expect(good.out).toContain(
      "  bo: missing: bo.ipynb: the answer cell of 'which-split' is not in 14-practice any more",
    );
    submissions.put('cy.ipynb', '{');
    const bad = await run('submissions', '--out', 'report');
    expect(bad.code).toBe(1);
    expect(bad.out).toMatch(/^ {2}cy: not-json: cy\.ipynb: /m);
    expect(
      (JSON.parse(read('results.json')) as Results).learners.map(({learner}) => learner),
    ).toEqual(['ana', 'bo', 'cy']);
  });

  it.each<[string, string[], RegExp]>([
    ['no submissions', [], /name the submissions/],
    ['two of them', ['a', 'b'], /one folder of submissions at a time/],
    ['a folder that is not there', ['nowhere'], /nowhere cannot be opened/],
    ['an empty folder', ['submissions'], /is empty/],
    ['an unknown option', ['submissions', '--fast'], /--fast/],
    [
      'a report inside the submissions',
      ['submissions', '--out', 'submissions/report'],
      /lies inside the submissions/,
    ],
    [
      'a report in their place',
      ['submissions', '--out', 'submissions'],
      /lies inside the submissions/,
    ],
    [
      'a report in a folder of other things',
      ['submissions', '--out', '.'],
      /holds (bank|submissions), which is no part of a report/,
    ],
    ['a bank with errors', ['submissions', '--bank', 'bank'], /bank\/b\.md:1: has no question/],
  ])('ends with 2 and a sentence for %s', async (_, args, sentence) => {
    mkdirSync(join(submissions.root, 'bank'));
    writeFileSync(join(submissions.root, 'bank/b.md'), 'Nothing.');
    if (!_.startsWith('an empty')) submissions.put('ana.ipynb', practice());
    const {code, out, err} = await run(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(sentence);
    expect(existsSync(join(submissions.root, 'report'))).toBe(false);
  });

  it('replaces an older report whole, and leaves it where a new one fails', async () => {
    submissions.put('ana.ipynb', practice());
    await run('submissions', '--out', 'report');
    submissions.put('bo.ipynb', practice());
    expect((await run('submissions', '--out', 'report')).code).toBe(0);
    expect(readdirSync(join(submissions.root, 'report/feedback'))).toEqual(['ana.html', 'bo.html']);
    const before = read('results.json');
    writeFileSync(join(submissions.root, 'report/my-notes.txt'), 'mine');
    submissions.put('cy.ipynb', practice());
    expect((await run('submissions', '--out', 'report')).code).toBe(2);
    expect(read('results.json')).toBe(before);
    expect(read('my-notes.txt')).toBe('mine');
    expect(readdirSync(submissions.root).sort()).toEqual(['report', 'submissions']);
  });

  it('is the same when it is run again', async () => {
    submissions.put('ana.ipynb', practice('ABCD ')).put('bo/x.ipynb', practice());
    const first = spawned('submissions', '--json').out;
    expect((await run('submissions', '--json')).out).toBe(first);
  });

  it('says how it is used', async () => {
    const {code, out} = await run('--help');
    expect(code).toBe(0);
    expect(out).toMatch(/SUBMISSIONS[\s\S]*--out[\s\S]*Exit code/);
  });

  it('keeps the terminal safe from a name', async () => {
    submissions.put('a\u001b[2Jb\n.ipynb', practice());
    const {out} = await run('submissions');
    expect(out).toContain('a?[2Jb?');
    expect(out).not.toContain('\u001b');
  });
});

describe('grades.csv', () => {
  const learner = (name: string): LearnerResult => ({
    learner: name,
    files: [],
    score: 0,
    max: 0,
    questions: [],
    problems: [],
  });
  it('quotes what needs it, and lets no name run as a formula', () => {
    const names = [
      'plain',
      'a,b',
      'say "hi"',
      'two\nlines',
      'Åsa',
      '=1+1',
      '+1',
      '-1',
      '@x',
      '\t=1',
    ];
    const rows = parseCsv(gradesCsv(names.map(learner), ['q']));
    expect(rows.map(([name]) => name)).toEqual([
      'learner',
      'plain',
      'a,b',
      'say "hi"',
      'two\nlines',
      'Åsa',
      "'=1+1",
      "'+1",
      "'-1",
      "'@x",
      "'\t=1",
    ]);
    expect(rows.every((row) => row.length === 5)).toBe(true);
  });

  it('leaves the questions of a notebook that was not handed in empty, and tells every problem', async () => {
    submissions
      .put('ana.ipynb', practice())
      .put('bo.ipynb', notebookOf('00-many-hands', ["answer('puzzle', 'A')"]))
      .put('cy.ipynb', '{');
    await run('submissions', '--out', 'report');
    const rows = parseCsv(read('grades.csv'));
    expect(rows[0]).toEqual(['learner', 'puzzle', ...practiceIds, 'score', 'max', 'problems']);
    expect(rows[1]).toEqual(['ana', '', '1', '1', '1', '1', '1', '5', '5', '']);
    expect(rows[2]).toEqual(['bo', '0', '', '', '', '', '', '0', '1', '']);
    expect(rows[3]!.slice(0, 9)).toEqual(['cy', '', '', '', '', '', '', '0', '0']);
    expect(rows[3]![9]).toMatch(/^not-json: cy\.ipynb: /);
  });
});

describe('a feedback page', () => {
  const page = (letters: string): string => feedbackPage(courseBank(), gradeOne(practice(letters)));
  it('shows every question with its outcome, the mistake behind a wrong letter, and where to read again', () => {
    const html = page('ADBBC').replace(/\s+/g, ' ');
    expect(html.match(/<section class="right">/g)).toHaveLength(4);
    expect(html.match(/<section class="wrong">/g)).toHaveLength(1);
    expect(html).toContain('✗ wrong: B (0 of 1)');
    expect(html).toContain('The split of the data is blamed');
    expect(html).not.toContain('None of them runs the full model');
    expect(html.match(/Read again/g)).toHaveLength(1);
    expect(html).toContain('<h1>ana: 4 of 5</h1>');
  });

  it('needs nothing else: no script, no address, no picture from elsewhere', () => {
    const html = page('AAAAA');
    expect(html).not.toMatch(/<script|<link|<img|https?:|src=|@import|url\(/);
    expect(html).toMatch(/prefers-color-scheme: dark/);
  });

  it('escapes whatever comes from a submission', () => {
    const result = gradeOne(practice(`A</style><script>alert(1)</script>`.slice(0, 1)));
    const nasty = '<script>alert(1)</script>';
    const html = feedbackPage(courseBank(), {
      ...result,
      learner: nasty,
      questions: result.questions.map((one) => ({
        ...one,
        status: 'wrong',
        answer: nasty,
        message: nasty,
      })),
      problems: [{code: 'edited', file: nasty, cell: 1, message: nasty}],
    });
    expect(html).not.toContain('<script');
  });

  it('keeps the key of an assessed question', () => {
    const html = feedbackPage(
      courseBank(),
      gradeOne(
        notebookOf('01-one-machine', [
          "answer('batch-and-memory', 'A')",
          "answer('order-of-halves', 'B')",
        ]),
      ),
    );
    const [assessed] = html
      .split('<section')
      .filter((part) => part.includes('What a larger batch costs'));
    expect(assessed).toContain('✗ wrong: A');
    expect(assessed).not.toMatch(/The solution|That is option|the activations double/i);
  });

  it('has a file name of its own for every learner', () => {
    const names = [
      'ana',
      'Ana',
      '..',
      'a/b',
      'a:b',
      'con.',
      'x'.repeat(300),
      `${'x'.repeat(299)}y`,
      'Zoë',
    ];
    const files = pageNames(names);
    expect(new Set(files.map((file) => file.toLowerCase())).size).toBe(names.length);
    expect(
      files.every(
        (file) => Buffer.byteLength(file) <= 255 && !/[\\/:]/.test(file) && !file.startsWith('.'),
      ),
    ).toBe(true);
    expect([files[0], files[8]]).toEqual(['ana.html', 'Zoë.html']);
  });
});
