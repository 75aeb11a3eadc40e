/**
 * The caller's side, scripts only. One tslab kernel, started through Jupyter, and how it answers;
 * policy is in run.ts.
 */
import {spawn, type ChildProcess} from 'node:child_process';
import * as path from 'node:path';
import * as readline from 'node:readline';
import {pathToFileURL} from 'node:url';
import {setTimeout as sleep} from 'node:timers/promises';
import {descendants, endTree, isAlive} from '../processes';
import {coursePython, courseRoot} from '../root';

/**
 * How the kernel answered one cell; it sends no error messages, so `status` is all there is to go
 * by.
 */
export interface Answer {
  status: 'ok' | 'error' | 'abort' | 'timeout' | 'died';
  executionCount: number | null;
  seconds: number;
}

/**
 * An output message as it came over the wire, for the cell that was started last when it was
 * printed.
 */
export interface OutputMessage {
  cell: number | null;
  message: string;
  content: Record<string, unknown>;
}

interface Event {
  event: string;
  pid?: number;
  cell?: number;
  message?: string;
  content?: Record<string, unknown>;
  status?: number | null;
}

interface SetupPaths {
  paths(root: string): object;
  jupyterEnvironment(at: object, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
}

/** Set-up's environment for our Jupyter: nothing of the user's other Jupyters in it. */
export async function jupyterEnvironment(env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  const root = courseRoot();
  // Set-up is plain JavaScript that nobody compiles: imported from where it lies.
  const setup = (await import(
    pathToFileURL(path.join(root, 'scripts', 'setup', 'paths.mjs')).href
  )) as SetupPaths;
  return setup.jupyterEnvironment(setup.paths(root), env);
}

/** How long a process that cells started may outlive its kernel. */
export const leftBehindMs = 3_000;

/** A wait that does not keep the program alive. */
function briefly(ms: number): Promise<void> {
  return sleep(ms, undefined, {ref: false});
}

export class Kernel {
  private readonly listeners = new Set<(event: Event) => void>();
  private log = '';
  private pid: number | null = null;
  private ended = false;
  private stopping: Promise<number[]> | null = null;
  onOutput: (message: OutputMessage) => void = () => undefined;

  private constructor(private readonly driver: ChildProcess) {
    driver.stderr!.on(
      'data',
      (bytes: Buffer) => (this.log = (this.log + bytes.toString('utf8')).slice(-20_000)),
    );
    readline
      .createInterface({input: driver.stdout!})
      .on('line', (line) => this.hear(JSON.parse(line) as Event));
    const end = (): void => {
      if (!this.ended) this.hear({event: 'died', status: driver.exitCode});
      this.ended = true;
    };
    driver.once('error', end);
    driver.once('close', end);
    driver.stdin!.on('error', end);
  }

  /** Starts the kernel in `folder`, as JupyterLab does for a notebook there. */
  static async start(folder: string, env: NodeJS.ProcessEnv): Promise<Kernel> {
    const driver = spawn(
      coursePython(),
      [path.join(courseRoot(), 'scripts', 'notebooks', 'kernel.py')],
      {
        env: await jupyterEnvironment(env),
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: true, // A Ctrl-C in the terminal is ours to handle: it must not hit the driver before we have told it.
      },
    );
    const kernel = new Kernel(driver);
    const answer = await kernel.ask(
      {request: 'start', kernel: 'many-hands', folder},
      ['started', 'problem', 'died'],
      90_000,
    );
    if (answer?.event !== 'started') {
      await kernel.stop();
      throw new Error(
        `The kernel 'many-hands' did not start: ${answer?.message ?? 'no answer in 90 s'}\n${kernel.log.slice(-2000)}`,
      );
    }
    return kernel;
  }

  /**
   * What kernel and driver wrote to their own terminal, TensorFlow's log lines among it: its last
   * part.
   */
  get terminal(): string {
    return this.log;
  }

  private hear(event: Event): void {
    if (event.event === 'launched') this.pid = event.pid ?? null;
    if (event.event === 'output')
      this.onOutput({cell: event.cell ?? null, message: event.message!, content: event.content!});
    for (const listener of [...this.listeners]) listener(event);
  }

  private send(request: object): void {
    if (!this.ended) this.driver.stdin!.write(`${JSON.stringify(request)}\n`);
  }

  /**
   * The next event of one of these kinds (and of this cell, where one is given); null when none
   * came in time.
   */
  private next(kinds: readonly string[], timeoutMs: number, cell?: number): Promise<Event | null> {
    return new Promise((resolve) => {
      const done = (event: Event | null): void => {
        clearTimeout(timer);
        this.listeners.delete(listener);
        resolve(event);
      };
      const listener = (event: Event): void => {
        if (
          kinds.includes(event.event) &&
          (event.event === 'died' || cell === undefined || event.cell === cell)
        )
          done(event);
      };
      const timer = setTimeout(() => done(null), timeoutMs).unref(); // The driver's pipes keep us alive while there is something to wait for.
      this.listeners.add(listener);
      if (this.ended) done({event: 'died'});
    });
  }

  private ask(
    request: object,
    kinds: readonly string[],
    timeoutMs: number,
    cell?: number,
  ): Promise<Event | null> {
    const answer = this.next(kinds, timeoutMs, cell);
    this.send(request);
    return answer;
  }

  /**
   * Runs one cell. Past `deadlineMs` it is interrupted, as a learner would; a kernel that does not
   * mind that within 3 s is killed.
   */
  async execute(cell: number, code: string, deadlineMs: number): Promise<Answer> {
    const from = performance.now();
    const seconds = (): number => (performance.now() - from) / 1000;
    const idle = this.next(['idle', 'died'], deadlineMs + 8_000, cell);
    const reply = await this.ask(
      {request: 'execute', cell, code},
      ['reply', 'died'],
      deadlineMs,
      cell,
    );
    if (reply === null) {
      const late = seconds();
      const stopped = await this.ask({request: 'interrupt'}, ['reply', 'died'], 3_000, cell);
      if (stopped === null && this.pid !== null) await endTree(this.pid, 0);
      return {status: 'timeout', executionCount: null, seconds: late};
    }
    if (reply.event === 'died') return {status: 'died', executionCount: null, seconds: seconds()};
    // Outputs come on another socket than the reply; "idle" is the last of them.
    await Promise.race([idle, briefly(2_000)]);
    const {status, execution_count: count} = reply.content as {
      status: 'ok' | 'error' | 'abort';
      execution_count?: number;
    };
    return {status, executionCount: count ?? null, seconds: seconds()};
  }

  /** Whether Jupyter's own library takes the file for a valid notebook: null, or what it says. */
  async invalid(file: string): Promise<string | null> {
    const answer = await this.ask(
      {request: 'validate', file},
      ['valid', 'problem', 'died'],
      30_000,
    );
    return answer?.event === 'valid' ? null : (answer?.message ?? 'the validator did not answer');
  }

  /**
   * Shuts the kernel down as Jupyter does, or kills it; returns the processes that it left behind,
   * which are ended too.
   */
  stop(how: 'shutdown' | 'kill' = 'shutdown'): Promise<number[]> {
    return (this.stopping ??= this.stopOnce(how));
  }

  private async stopOnce(how: 'shutdown' | 'kill'): Promise<number[]> {
    const children = this.pid === null ? [] : descendants(this.pid);
    if (!this.ended) {
      await this.ask({request: how}, ['stopped', 'problem', 'died'], 15_000);
      const closed = new Promise((resolve) => this.driver.once('close', resolve));
      this.driver.stdin!.end();
      if (!this.ended) await Promise.race([closed, briefly(10_000)]);
    }
    if (this.driver.pid && isAlive(this.driver.pid)) await endTree(this.driver.pid, 0);
    if (this.pid !== null && isAlive(this.pid)) await endTree(this.pid, 0);
    const deadline = Date.now() + leftBehindMs;
    while (Date.now() < deadline && children.some(isAlive)) await sleep(100);
    const left = children.filter(isAlive);
    for (const pid of left) await endTree(pid, 0);
    return left;
  }
}
