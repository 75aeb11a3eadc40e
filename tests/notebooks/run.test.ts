/**
 * Notebooks run in the real kernel: what passes, what fails and how it is said, and that nothing is
 * left behind.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {afterAll, describe, expect, it} from 'vitest';
import {courseRoot} from '#scripts/root.js';
import {isAlive} from '#scripts/processes.js';
import type {Cell, RichOutput, StreamOutput} from '#scripts/notebookFile.js';
import {readNotebook} from '#scripts/notebookFile.js';
import {runNotebook, type NotebookRun, type RunOptions} from '#scripts/notebooks/run.js';
import {Folders} from './fixtures';

const folders = new Folders();
afterAll(() => folders.remove());

function run(cells: string[], options: Partial<RunOptions> = {}): Promise<NotebookRun> {
  return runNotebook(folders.write(cells), {
    cellMs: 20_000,
    keepGoing: false,
    env: {...process.env, COURSE_SCALE: 'ci'},
    out: folders.fresh(),
    ...options,
  });
}

const statuses = ({cells}: NotebookRun): string[] => cells.map(({status}) => status);
const said = ({problems}: NotebookRun): string[] =>
  problems.map(({rule, cell, message}) => `${rule} ${cell ?? '-'}: ${message}`);

function executed(run: NotebookRun): Cell[] {
  return readNotebook(run.executed!).notebook.cells;
}

function text(cell: Cell, name = 'stdout'): string {
  return cell
    .outputs!.flatMap((output) =>
      output.output_type === 'stream' && output.name === name
        ? [(output as StreamOutput).text]
        : [],
    )
    .join('');
}

describe('a notebook that runs well', () => {
  it('is stored with its outputs, the last state of a live one, and counts', async () => {
    const ran = await run([
      "import * as tslab from 'tslab';\nconst live = tslab.newDisplay();\nlive.html('first');\nconsole.log(process.cwd().endsWith('notebooks'), process.env.COURSE_SCALE);",
      'md:Between.',
      '   ',
      "live.html('last');\nconsole.log('a'); console.log('b'); console.error('a note'); console.log('c');",
      "tslab.display.raw('application/vnd.plotly.v1+json', {data: [], layout: {}} as any);\nsetTimeout(() => console.log('late'), 100);\nawait null;",
      "import {train} from 'many-hands/course';\ntypeof train",
    ]);
    expect(said(ran)).toEqual([]);
    expect(statuses(ran)).toEqual(['ok', 'empty', 'ok', 'ok', 'ok']);
    expect(
      ran.cells
        .filter(({status}) => status === 'ok')
        .every(({seconds}) => seconds > 0 && seconds < ran.seconds),
    ).toBe(true);
    expect(ran.warnings.map(({cell, message}) => [cell, message])).toEqual([[5, 'a note']]);
    const [, first, , , third, fourth, fifth] = executed(ran);
    expect([first, third, fourth, fifth].map((cell) => cell!.execution_count)).toEqual([
      1, 2, 3, 4,
    ]);
    expect(first!.outputs).toEqual([
      {output_type: 'display_data', data: {'text/html': 'last'}, metadata: {}},
      {output_type: 'stream', name: 'stdout', text: 'true ci\n'},
    ]);
    expect(third!.outputs!.map((output) => (output as StreamOutput).text)).toEqual([
      'a\nb\n',
      'a note\n',
      'c\n',
    ]);
    expect((fourth!.outputs![0] as RichOutput).data).toEqual({
      'application/vnd.plotly.v1+json': {data: [], layout: {}},
    });
    // tslab prints what comes late into the cell that was started last.
    expect([text(fourth!), text(fifth!)].join('')).toContain('late\n');
    expect(text(fifth!)).toContain('function\n');
  });
});

// Each has a kernel of its own and mostly waits.
describe.concurrent('a notebook that fails', () => {
  it('says which cell, and why; runs nothing after it', async () => {
    const ran = await run([
      'const a = 1;',
      "function deep() {\n  throw new RangeError('no such rank: 9');\n}\ndeep();",
      'console.log(a);',
      'a',
    ]);
    expect(statuses(ran)).toEqual(['ok', 'failed', 'notRun', 'notRun']);
    expect(said(ran)).toEqual([
      'cell-failed 3: RangeError: no such rank: 9',
      'not-run -: 2 cells were not run after that',
    ]);
    expect(ran.problems[0]).toMatchObject({cell: 3, id: 'c2', firstLine: 'function deep() {'});
    expect(text(executed(ran)[2]!, 'stderr')).toContain('RangeError: no such rank: 9');
  });

  it('goes on where it is asked to, and runs what the kernel would have skipped', async () => {
    const ran = await run(
      ['const a: string = 5;', "console.log('ran');", "throw 'words';", "console.log('ran too');"],
      {keepGoing: true},
    );
    expect(statuses(ran)).toEqual(['failed', 'ok', 'failed', 'ok']);
    expect(said(ran)).toEqual([
      "cell-failed 2: 1:7 - Type 'number' is not assignable to type 'string'.",
      'cell-failed 4: words',
    ]);
    expect(executed(ran).map((cell) => (cell.cell_type === 'code' ? text(cell) : ''))).toEqual([
      '',
      '',
      'ran\n',
      '',
      'ran too\n',
    ]);
  });

  it('does not take for well what nobody caught or awaited', async () => {
    const ran = await run([
      "setTimeout(() => { throw new Error('in a timer'); }, 10);\nawait new Promise((resolve) => setTimeout(resolve, 60));",
      "void (async () => { throw new Error('in a promise'); })();\nawait new Promise((resolve) => setTimeout(resolve, 60));",
      'new Promise(() => undefined)',
      '/** @module broken */\nexport const size: string = 4;',
      "setTimeout(() => { throw new Error('after the last cell'); }, 20);\nawait null;",
    ]);
    expect(statuses(ran)).toEqual(['failed', 'failed', 'failed', 'failed', 'failed']);
    expect(said(ran)).toEqual([
      expect.stringMatching(
        /^uncaught 2: nobody caught this .*UncaughtException: Error: in a timer/,
      ),
      expect.stringMatching(
        /^uncaught 3: nobody caught this .*UnhandledPromiseRejection: Error: in a promise/,
      ),
      expect.stringMatching(/^uncaught 4: its last line is a promise that nobody awaits/),
      expect.stringMatching(
        /^uncaught 5: its module does not pass the type check: .*Type 'number' is not assignable/,
      ),
      expect.stringMatching(/^uncaught 6: nobody caught this .*Error: after the last cell/),
    ]);
  });

  it('has a time for each cell', async () => {
    const ran = await run(['const a = 1;', 'await new Promise(() => undefined);', 'a'], {
      cellMs: 3_000,
    });
    expect(statuses(ran)).toEqual(['ok', 'timeout', 'notRun']);
    expect(said(ran)).toEqual([
      'cell-timeout 3: did not end within 3 s, and was interrupted',
      'not-run -: 1 cell was not run after that',
    ]);
  });

  it('ends a cell that minds no interrupt, and says when the kernel is gone', async () => {
    // A loop in a microtask: no signal handler gets its turn.
    const stuck = await run(['await null;\nfor (;;) { }'], {cellMs: 1_000});
    expect(statuses(stuck)).toEqual(['timeout']);
    const gone = await run(
      [
        "process.stdin; process.kill(process.pid, 'SIGKILL');\nawait new Promise(() => undefined);",
        '1',
      ],
      {keepGoing: true},
    );
    expect(statuses(gone)).toEqual(['died', 'notRun']);
    expect(said(gone)[0]).toMatch(/^cell-died 2: the kernel's process ended while it ran\./);
  });

  it('ends and names processes that its cells leave behind', async () => {
    const ran = await run([
      "import {spawn} from 'node:child_process';\nconst child = spawn('sleep', ['600'], {detached: true, stdio: 'ignore'});\nchild.unref();\nconsole.log(child.pid);",
    ]);
    expect(statuses(ran)).toEqual(['ok']);
    expect(said(ran)).toEqual([
      'left-behind -: 1 process that its cells started outlived the kernel by 3 s',
    ]);
    expect(isAlive(Number(text(executed(ran)[1]!)))).toBe(false);
  });
});

it("runs on a copy: neither the stored notebook nor the learner's answers are written to", async () => {
  const answers = path.join(courseRoot(), 'answers', 'which-split.json');
  const state = (): string => (fs.existsSync(answers) ? fs.readFileSync(answers, 'utf8') : 'none');
  const before = state();
  const file = folders.write([
    "import {answer} from 'many-hands/course';\nanswer('which-split', 'B')",
  ]);
  const stored = fs.readFileSync(file, 'utf8');
  const ran = await runNotebook(file, {
    cellMs: 20_000,
    keepGoing: false,
    env: process.env,
    out: folders.fresh(),
  });
  expect(said(ran)).toEqual([]);
  expect(JSON.stringify(executed(ran)[1]!.outputs)).toContain('Not right: B.');
  expect(fs.readFileSync(file, 'utf8')).toBe(stored);
  expect(state()).toBe(before);
});
