/**
 * The caller's side, scripts only. Runs a notebook's cells in order, as a learner would, and minds
 * tslab's ways.
 */
import * as path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {complaint, hiddenFailure} from './complaints';
import {Kernel, leftBehindMs} from './kernel';
import {
  nameOf,
  readNotebook,
  sourceOf,
  writeNotebook,
  type CellName,
  type Notebook,
} from '../notebookFile';
import {Outputs} from './outputs';
import {makeWorkspace} from './workspace';

export interface RunOptions {
  /** Milliseconds after which a cell counts as hanging: it is interrupted, and has failed. */
  cellMs: number;
  /**
   * Go on after a failed cell, to see every failure; else the rest is not run, as in JupyterLab.
   */
  keepGoing: boolean;
  env: NodeJS.ProcessEnv;
  /** Where the executed copy goes. */
  out: string;
  signal?: AbortSignal;
}

interface CellRun extends CellName {
  status: 'ok' | 'failed' | 'aborted' | 'timeout' | 'died' | 'empty' | 'notRun';
  seconds: number;
}

export interface Problem extends Partial<CellName> {
  rule: string;
  message: string;
}

export interface NotebookRun {
  seconds: number;
  startSeconds: number;
  cells: CellRun[];
  problems: Problem[];
  /** Cells that ended well and wrote to stderr: shown, not failed. */
  warnings: Problem[];
  executed: string | null;
}

/** tslab answers 'abort' and runs nothing for 200 ms after a failed cell. */
const abortMs = 250;

/**
 * Runs the notebook in a copy of its folder. Never throws for what a notebook does; throws where no
 * kernel can be started.
 */
export async function runNotebook(file: string, options: RunOptions): Promise<NotebookRun> {
  const from = performance.now();
  const workspace = makeWorkspace([file]);
  const {notebook} = readNotebook(file);
  const outputs = new Outputs();
  const run: NotebookRun = {
    seconds: 0,
    startSeconds: 0,
    cells: [],
    problems: [],
    warnings: [],
    executed: null,
  };
  try {
    const kernel = await Kernel.start(workspace.folder, options.env);
    kernel.onOutput = (message) => outputs.add(message);
    const abort = (): void => void kernel.stop('kill');
    options.signal?.addEventListener('abort', abort, {once: true});
    try {
      run.startSeconds = (performance.now() - from) / 1000;
      await runCells(kernel, notebook, outputs, run, options);
      // What timers and promises still print when the last cell is over.
      await sleep(300);
      judgeOutputs(notebook, outputs, run);
      run.seconds = (performance.now() - from) / 1000;
      run.executed = await writeExecuted(
        kernel,
        notebook,
        outputs,
        run,
        options.out,
        path.basename(file),
      );
    } finally {
      options.signal?.removeEventListener('abort', abort);
      const left = await kernel.stop();
      if (left.length && !options.signal?.aborted) {
        run.problems.push({
          rule: 'left-behind',
          message: `${left.length} process${left.length === 1 ? '' : 'es'} that its cells started outlived the kernel by ${leftBehindMs / 1000} s`,
        });
      }
    }
    return run;
  } finally {
    workspace.remove();
  }
}

async function runCells(
  kernel: Kernel,
  notebook: Notebook,
  outputs: Outputs,
  run: NotebookRun,
  options: RunOptions,
): Promise<void> {
  let stopped = false;
  let count = 0;
  for (const [index, cell] of notebook.cells.entries()) {
    if (cell.cell_type !== 'code') continue;
    const name = nameOf(notebook.cells, index);
    const code = sourceOf(cell);
    const add = (status: CellRun['status'], seconds = 0): void =>
      void run.cells.push({...name, status, seconds});
    const fail = (status: CellRun['status'], seconds: number, message: string): void => {
      add(status, seconds);
      run.problems.push({
        ...name,
        rule: status === 'failed' ? 'cell-failed' : `cell-${status}`,
        message,
      });
      stopped ||= !options.keepGoing || status === 'died' || status === 'timeout';
    };
    if (options.signal?.aborted) stopped = true;
    if (stopped) {
      add('notRun');
      continue;
    }
    if (code.trim() === '') {
      add('empty'); // JupyterLab does not send it either.
      continue;
    }
    let answer = await kernel.execute(index, code, options.cellMs);
    for (let again = 0; answer.status === 'abort' && again < 5; again += 1) {
      await sleep(abortMs);
      outputs.forget(index);
      answer = await kernel.execute(index, code, options.cellMs);
    }
    if (answer.status === 'error') {
      fail('failed', answer.seconds, complaint(outputs.text(index, 'stderr')));
      await sleep(abortMs);
    } else if (answer.status === 'abort')
      fail('aborted', answer.seconds, 'the kernel answered "abort" six times and did not run it');
    else if (answer.status === 'timeout')
      fail(
        'timeout',
        answer.seconds,
        `did not end within ${options.cellMs / 1000} s, and was interrupted`,
      );
    else if (answer.status === 'died')
      fail(
        'died',
        answer.seconds,
        `the kernel's process ended while it ran. ${lastLines(kernel.terminal)}`,
      );
    else if (answer.executionCount !== count + 1)
      fail(
        'failed',
        answer.seconds,
        `the kernel counts it as [${answer.executionCount ?? ' '}], not [${count + 1}]: something else ran between`,
      );
    else add('ok', answer.seconds);
    count = answer.executionCount ?? count;
    cell.execution_count = answer.executionCount;
  }
  const unrun = run.cells.filter(({status}) => status === 'notRun').length;
  if (unrun > 0)
    run.problems.push({
      rule: 'not-run',
      message: `${unrun} cell${unrun === 1 ? ' was' : 's were'} not run after that`,
    });
}

function lastLines(text: string): string {
  const lines = text.trim().split('\n').slice(-5).join('\n');
  return lines === '' ? 'It wrote nothing to its terminal.' : `Its terminal ends:\n${lines}`;
}

/** Cells that ended well by the kernel's word, and yet did not. */
function judgeOutputs(notebook: Notebook, outputs: Outputs, run: NotebookRun): void {
  for (const cell of run.cells) {
    const stderr = outputs.text(cell.cell - 1, 'stderr');
    if (cell.status !== 'ok') continue;
    const {status: _status, seconds: _seconds, ...name} = cell;
    const hidden = hiddenFailure(
      stderr,
      outputs.text(cell.cell - 1, 'stdout'),
      sourceOf(notebook.cells[cell.cell - 1]!),
    );
    if (hidden) {
      cell.status = 'failed';
      run.problems.push({...name, rule: 'uncaught', message: hidden});
    } else if (stderr !== '')
      run.warnings.push({...name, rule: 'stderr', message: stderr.trim().split('\n')[0]!});
  }
}

async function writeExecuted(
  kernel: Kernel,
  notebook: Notebook,
  outputs: Outputs,
  run: NotebookRun,
  out: string,
  name: string,
): Promise<string> {
  const cells = notebook.cells.map((cell, index) =>
    cell.cell_type === 'code'
      ? {...cell, execution_count: cell.execution_count ?? null, outputs: outputs.of(index)}
      : cell,
  );
  const file = path.join(out, name);
  writeNotebook(file, {...notebook, cells});
  const died = run.cells.some(({status}) => status === 'died' || status === 'timeout');
  const invalid = died ? null : await kernel.invalid(file);
  if (invalid)
    run.problems.push({
      rule: 'nbformat',
      message: `what it became by running is no valid notebook: ${invalid}`,
    });
  return file;
}
