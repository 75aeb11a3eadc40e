/** `npm run notebooks` as a command: names, exit codes, lines and JSON, and its end by a signal. */
import {spawn} from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {afterAll, describe, expect, it} from 'vitest';
import {courseRoot} from '#scripts/root.js';
import {descendants, isAlive} from '#scripts/processes.js';
import {chooseNotebooks} from '#scripts/notebooks/choose.js';
import {makeWorkspace} from '#scripts/notebooks/workspace.js';
import {Folders} from './fixtures';

const folders = new Folders();
afterAll(() => folders.remove());

const program = path.join(courseRoot(), 'build', 'scripts', 'notebooks.js');

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(args: string[], env: NodeJS.ProcessEnv = {}): {pid: number; ended: Promise<Ended>} {
  const child = spawn(process.execPath, [program, ...args], {
    env: {...process.env, COURSE_SCALE: undefined, ...env},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = {stdout: '', stderr: ''};
  child.stdout.on('data', (bytes: Buffer) => (texts.stdout += bytes.toString('utf8')));
  child.stderr.on('data', (bytes: Buffer) => (texts.stderr += bytes.toString('utf8')));
  return {
    pid: child.pid!,
    ended: new Promise((resolve) => child.once('close', (code) => resolve({code, ...texts}))),
  };
}

const command = (args: string[], env?: NodeJS.ProcessEnv): Promise<Ended> => start(args, env).ended;

describe('names', () => {
  it("are a number, a name, a file's name or a path", () => {
    const folder = folders.fresh();
    const [first, second] = [
      folders.write([], '00-first', folder),
      folders.write([], '07-second', folder),
    ];
    const elsewhere = folders.write([], '03-elsewhere');
    expect(chooseNotebooks([], folder)).toEqual([first, second]);
    expect(chooseNotebooks(['07', '00-first', '07-second.ipynb', elsewhere], folder)).toEqual([
      second,
      first,
      elsewhere,
    ]);
    expect(() => chooseNotebooks(['7'], folder)).toThrow(
      /There is no notebook '7'\. There are: 00-first, 07-second\./,
    );
    expect(() => chooseNotebooks([], folders.fresh())).toThrow(
      /no notebook in the course's folder/,
    );
  });

  it.each([
    [['99'], /There is no notebook '99'\. There are: 00-many-hands, /],
    [['--cell-seconds', 'soon'], /--cell-seconds is 'soon'; it takes a number of seconds above 0/],
    [['--fast'], /Unknown option '--fast'/],
  ])('%j is wrong use: exit code 2', async (args, message) => {
    const {code, stdout, stderr} = await command(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  it('COURSE_SCALE is ci, cpu or gpu', async () => {
    const {code, stderr} = await command(['--check'], {COURSE_SCALE: 'huge'});
    expect(code).toBe(2);
    expect(stderr).toBe(
      "COURSE_SCALE is 'huge'; it may be ci, cpu or gpu.\nnpm run notebooks -- --help says how to use it.\n",
    );
  });
});

describe('a run', () => {
  it('prints times, and ends with what passed and failed', async () => {
    const folder = folders.fresh();
    const good = folders.write(['console.log(process.env.COURSE_SCALE);'], '03-good', folder);
    const bad = folders.write(['const loss = 5;', 'console.log({loss});'], '04-bad', folder);
    const out = folders.fresh();
    const {code, stdout, stderr} = await command([good, bad, '--out', out]);
    expect([code, stderr]).toEqual([1, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[lines.length - 1]).toBe('1 passed, 1 failed');
    expect(stdout).toMatch(
      /^passed {2}03-good {2}\d+\.\d s \(kernel \d+\.\d s, 1 of 1 code cells\)$/m,
    );
    expect(stdout).toMatch(
      /^ +\d+\.\d\d s {2}cell 2 {2}c1 {2}console\.log\(process\.env\.COURSE_SCALE\);$/m,
    );
    expect(stdout).toMatch(
      /^ {2}shorthand: 04-bad, cell 3 \(id c2: console\.log\(\{loss\}\);\): line 1: /m,
    );
    expect(stdout).toMatch(
      /^ {2}cell-failed: 04-bad, cell 3 \(id c2: console\.log\(\{loss\}\);\): ReferenceError: loss is not defined$/m,
    );
    expect(fs.readFileSync(path.join(out, '03-good.ipynb'), 'utf8')).toContain('"ci\\n"');
    expect(fs.readdirSync(out).sort()).toEqual(['03-good.ipynb', '04-bad.ipynb']);
  });

  it('--json writes one object to stdout and the lines to stderr; --check runs nothing', async () => {
    const good = folders.write(['1'], '03-good');
    const broken = path.join(folders.fresh(), '05-broken.ipynb');
    fs.writeFileSync(broken, '{"cells": [');
    const {code, stdout, stderr} = await command(['--json', '--check', good, broken]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^passed {2}03-good$/m);
    const report = JSON.parse(stdout) as {notebooks: object[]};
    expect(report).toMatchObject({scale: 'ci', passed: 1, failed: 1});
    expect(report.notebooks).toEqual([
      {
        notebook: '03-good',
        file: path.relative(process.cwd(), good),
        status: 'passed',
        seconds: null,
        startSeconds: null,
        budgetSeconds: null,
        overBudget: false,
        cells: [],
        problems: [],
        warnings: [],
        executed: null,
      },
      expect.objectContaining({
        notebook: '05-broken',
        status: 'failed',
        problems: [
          {
            rule: 'unreadable',
            message: expect.stringContaining('cannot be read as a notebook') as string,
          },
        ],
      }),
    ]);
  });

  it('over its budget is a warning in a column of its own, not a failure', async () => {
    const file = folders.write(['1'], '03-good');
    const args = [file, '--notebook-seconds', '0.1', '--out', folders.fresh()];
    const {code, stdout} = await command(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^notebook +result +seconds +budget {2}warning$/m);
    expect(stdout).toMatch(/^03-good {3}passed +\d+\.\d +0\.1 {2}over its budget$/m);
    expect(stdout).toMatch(/\n1 passed, 0 failed\n$/);
    const json = await command([...args, '--json']);
    expect(json.code).toBe(0);
    const report = JSON.parse(json.stdout) as {notebooks: object[]};
    expect(report.notebooks).toMatchObject([
      {status: 'passed', budgetSeconds: 0.1, overBudget: true, problems: []},
    ]);
  });

  it('takes paths as they were typed, wherever the command is started', async () => {
    const folder = folders.fresh();
    folders.write(['1'], '03-good', folder);
    const {code, stdout} = await command(['--check', '03-good.ipynb'], {
      MANY_HANDS_TYPED_IN: folder,
    });
    expect([code, stdout]).toEqual([0, 'passed  03-good\n1 passed, 0 failed\n']);
  });

  it('--strip stores a notebook as it should be', async () => {
    const file = folders.write(['1'], '03-good');
    const ran = JSON.parse(fs.readFileSync(file, 'utf8')) as {
      cells: {execution_count?: number; outputs?: object[]}[];
    };
    ran.cells[1]!.execution_count = 4;
    ran.cells[1]!.outputs = [{output_type: 'stream', name: 'stdout', text: '1\n'}];
    fs.writeFileSync(file, JSON.stringify(ran));
    expect((await command(['--check', file])).code).toBe(1);
    expect((await command(['--strip', file])).code).toBe(0);
    expect((await command(['--check', file])).code).toBe(0);
    expect(fs.readdirSync(path.dirname(file))).toEqual(['03-good.ipynb']);
  });
});

describe('the end', () => {
  const runFolders = (): string[] => fs.readdirSync(path.join(courseRoot(), 'build', 'run'));

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const)(
    'by %s leaves no process behind',
    async (signal, code) => {
      const before = runFolders();
      const mark = path.join(folders.fresh(), 'running');
      const file = folders.write([
        `import * as fs from 'node:fs';\nfs.writeFileSync(${JSON.stringify(mark)}, '');\nawait new Promise(() => undefined);`,
      ]);
      const {pid, ended} = start([file, '--out', folders.fresh()]);
      while (!fs.existsSync(mark)) await sleep(100);
      const all = descendants(pid);
      expect(all.length).toBeGreaterThanOrEqual(2); // The driver and the kernel.
      process.kill(pid, signal);
      expect((await ended).code).toBe(code);
      for (const deadline = Date.now() + 10_000; Date.now() < deadline && all.some(isAlive); )
        await sleep(100);
      expect(all.filter(isAlive)).toEqual([]);
      // Who is killed outright cannot tidy up; the next run does.
      if (signal === 'SIGKILL') makeWorkspace([]).remove();
      expect(runFolders().filter((folder) => !before.includes(folder))).toEqual([]);
    },
    40_000,
  );
});
