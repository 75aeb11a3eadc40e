/**
 * The life of a worker process: a state machine with named states and deadlines.
 *
 *   starting -> ready -> running -> ready ... -> stopping -> stopped
 *   starting -> failed, running -> failed
 */
import type {ChildProcess} from 'node:child_process';
import {ManyHandsError, withCode} from '../base/errors';
import {uncrossError, type FromWorker, type ToWorker} from './protocol';
import {spawnWorker, type WorkerOptions} from './spawnWorker';

export type WorkerState = 'starting' | 'ready' | 'running' | 'stopping' | 'stopped' | 'failed';

/** The time that a worker has to load its engine. */
const START_DEADLINE_MS = 60_000;
/** The time between a stop or an interrupt and the kill of a worker that does not end. */
export const STOP_DEADLINE_MS = 5_000;
export interface JobHandlers {
  onTell?(value: unknown): void;
  onAsk?(value: unknown): Promise<unknown>;
  onOutput?(stream: 'stdout' | 'stderr', line: string): void;
  signal?: AbortSignal;
  /** The longest silence of the worker, in milliseconds; 0: no limit. */
  timeoutMs?: number;
}

/** What a worker did when it ended, for its error. */
const DURING: Partial<Record<WorkerState, string>> = {
  starting: 'while it started',
  running: 'during its work',
};

export class WorkerProcess {
  state: WorkerState = 'starting';
  readonly ready: Promise<void>;
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;
  private lastWords: string[] = [];
  private handlers: JobHandlers = {};
  private settle: {resolve(value: unknown): void; reject(error: unknown): void} | null = null;
  private lastHeard = 0;
  /** Questions that the caller has not answered; while there are any, the worker may be silent. */
  private questions = new Set<number>();
  /** What the caller's own code threw: this is the error of the job, whatever the worker says. */
  private thrown: {error: unknown} | null = null;
  /** Why this process killed the worker. Such an end is a consequence, never a cause. */
  private killReason: string | null = null;
  private killer: NodeJS.Timeout | null = null;

  constructor(readonly options: WorkerOptions) {
    const {child, exited} = spawnWorker(options, (stream, line) => {
      this.lastWords = [...this.lastWords.slice(-19), line];
      this.listen(() => this.handlers.onOutput?.(stream, line));
    });
    this.child = child;
    this.exited = exited;
    this.ready = this.start();
    // An error that nobody waits for must not end the caller's program.
    this.ready.catch(() => {});
    this.child.on('message', (message) => this.hear(message as FromWorker));
    this.child.once('error', (error) => this.end(`could not be started: ${error.message}`));
    this.child.once(
      'exit',
      (code, signal) =>
        void this.exited.then(() =>
          this.end(signal ? `was ended by ${signal}` : `ended with exit code ${code}`),
        ),
    );
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  private start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.child.kill('SIGKILL');
        this.fail(
          new ManyHandsError(
            'TIMEOUT',
            `a worker on ${this.options.device} was not ready within ${START_DEADLINE_MS / 1000} s of its start.${this.said()}`,
          ),
        );
      }, START_DEADLINE_MS);
      this.settle = {
        resolve: () => {
          clearTimeout(timer);
          this.state = 'ready';
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  }

  private said(): string {
    return this.lastWords.length > 0 ? ` Its last words:\n${this.lastWords.join('\n')}` : '';
  }

  private hear(message: FromWorker): void {
    this.lastHeard = performance.now();
    if (message.type === 'ready') this.finish((settle) => settle.resolve(undefined));
    else if (message.type === 'tell') this.listen(() => this.handlers.onTell?.(message.value));
    else if (message.type === 'ask') void this.answer(message.id, message.value);
    else if (message.type === 'done')
      this.finish((settle) =>
        this.thrown ? settle.reject(this.thrown.error) : settle.resolve(message.value),
      );
    else
      this.finish((settle) =>
        settle.reject(
          this.thrown
            ? this.thrown.error
            : uncrossError(message.error, `the worker on ${this.options.device} failed`),
        ),
      );
  }

  private async answer(id: number, value: unknown): Promise<void> {
    const {handlers} = this;
    this.questions.add(id);
    try {
      const answer = await handlers.onAsk?.(value);
      if (this.handlers === handlers) this.send({type: 'answer', id, value: answer});
    } catch (error) {
      if (this.handlers === handlers) this.throw(error);
    } finally {
      this.questions.delete(id);
      this.lastHeard = performance.now();
    }
  }

  /** Calls a listener of the caller. Its error must not end the program from an event of Node's. */
  private listen(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.throw(error);
    }
  }

  /** A callback or a listener of the caller threw: its error becomes the error of the run. */
  private throw(error: unknown): void {
    this.thrown ??= {error};
    this.interrupt();
  }

  private finish(use: (settle: NonNullable<WorkerProcess['settle']>) => void): void {
    const settle = this.settle;
    this.settle = null;
    if (settle) use(settle);
  }

  private fail(error: unknown): void {
    this.state = 'failed';
    this.finish((settle) => settle.reject(error));
  }

  private end(how: string): void {
    if (this.state === 'stopping' || this.state === 'stopped') {
      this.state = 'stopped';
      return;
    }
    if (this.state === 'failed') return;
    if (this.killReason) {
      const killed = new ManyHandsError(
        'ABORTED',
        `the worker on ${this.options.device} (process ${this.pid}) was ended by SIGKILL: ${this.killReason}.`,
      );
      this.fail(this.thrown ? this.thrown.error : killed);
      return;
    }
    const killed = how.includes('SIGKILL')
      ? ' If nobody killed it, the machine ran out of memory: use a smaller batchSize or model.'
      : '';
    this.fail(
      new ManyHandsError(
        'WORKER',
        `the worker on ${this.options.device} (process ${this.pid}) ${how} ${DURING[this.state] ?? 'while it waited'}.${killed}${this.said()}`,
      ),
    );
  }

  private sendJob(name: string, job: unknown): void {
    try {
      this.send({type: 'job', name, job});
    } catch (error) {
      this.settle = null;
      throw withCode(error, 'BAD_OPTION', 'the options cannot be copied into a worker');
    }
  }

  private send(message: ToWorker): void {
    // The channel may close at this moment; the 'exit' event then says why.
    this.child.send(message, () => {});
  }

  /**
   * Runs one job and resolves to its result. Rejects with the worker's error, or with `ABORTED`
   * after the signal fires.
   */
  async run(name: string, job: unknown, handlers: JobHandlers): Promise<unknown> {
    await this.ready;
    if (this.state !== 'ready')
      throw new ManyHandsError(
        'INTERNAL',
        `internal: a job was given to a worker that is ${this.state}.`,
      );
    handlers.signal?.throwIfAborted();
    this.state = 'running';
    this.handlers = handlers;
    this.lastWords = [];
    this.thrown = null;
    this.questions = new Set();
    this.lastHeard = performance.now();
    const result = new Promise<unknown>((resolve, reject) => (this.settle = {resolve, reject}));
    const abort = () => this.interrupt();
    handlers.signal?.addEventListener('abort', abort, {once: true});
    const watch = handlers.timeoutMs
      ? setInterval(
          () => this.checkSilence(handlers.timeoutMs!),
          Math.min(1000, handlers.timeoutMs / 4),
        )
      : null;
    try {
      this.sendJob(name, job);
      return await result;
    } finally {
      if (watch) clearInterval(watch);
      // The deadline belongs to this job: it must not kill the next job.
      if (this.killer) clearTimeout(this.killer);
      this.killer = null;
      handlers.signal?.removeEventListener('abort', abort);
      this.handlers = {};
      if (this.state === 'running') this.state = 'ready';
    }
  }

  private checkSilence(timeoutMs: number): void {
    const silence = performance.now() - this.lastHeard;
    if (this.questions.size > 0 || silence < timeoutMs) return;
    this.child.kill('SIGKILL');
    this.fail(
      new ManyHandsError(
        'TIMEOUT',
        `the worker on ${this.options.device} (process ${this.pid}) said nothing for ${(silence / 1000).toFixed(1)} s and was ended; timeoutMs allows ${timeoutMs} ms. Raise timeoutMs if one step may take longer.`,
      ),
    );
  }

  private interrupt(): void {
    this.send({type: 'interrupt'});
    this.killer ??= setTimeout(() => this.kill(), STOP_DEADLINE_MS);
  }

  /** Kills the process at once, even a stopped process; `reason` goes into its error. */
  kill(reason = `it did not stop within ${STOP_DEADLINE_MS / 1000} s of being asked to`): void {
    this.killReason = reason;
    this.child.kill('SIGKILL');
  }

  /** Ends the process; if it does not end itself within the deadline, it is killed. */
  async stop(): Promise<void> {
    if (this.state === 'stopped') return;
    if (this.state !== 'failed') this.state = 'stopping';
    if (this.child.connected) this.child.disconnect();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await this.exited;
    clearTimeout(timer);
    if (this.state === 'stopping') this.state = 'stopped';
  }

  /** While the worker is held, the caller's program does not end. */
  hold(held: boolean): void {
    const handles = [this.child, this.child.channel, this.child.stdout, this.child.stderr] as Array<
      {ref?(): void; unref?(): void} | null | undefined
    >;
    for (const handle of handles) (held ? handle?.ref : handle?.unref)?.call(handle);
  }
}
