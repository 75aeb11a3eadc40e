/**
 * A worker process's life: a state machine with named states and deadlines.
 *
 *   starting -> ready -> running -> ready ... -> stopping -> stopped
 *   starting -> failed, running -> failed
 */
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {setTimeout as delay} from 'node:timers/promises';
import {ManyHandsError} from '../base/errors';
import {eachLine} from './lines';
import {uncrossError, type FromWorker, type ToWorker} from './protocol';

export type WorkerState = 'starting' | 'ready' | 'running' | 'stopping' | 'stopped' | 'failed';

/** A worker has this long to load its engine. */
export const START_DEADLINE_MS = 60_000;
/** After a stop or an interrupt a worker has this long, then it is killed. */
export const STOP_DEADLINE_MS = 5_000;
/** After its exit a worker's output may still be on its way, for this long. */
const LAST_WORDS_MS = 500;

export interface WorkerOptions {
  /** The compiled module that the process runs. */
  entry: string;
  /** 'cpu' or 'cuda:n'. */
  device: string;
  /** Threads of the engine; 0 leaves the choice to it. */
  threads: number;
}

export interface JobHandlers {
  onTell?(value: unknown): void;
  onAsk?(value: unknown): Promise<unknown>;
  onOutput?(stream: 'stdout' | 'stderr', line: string): void;
  signal?: AbortSignal;
  /** The longest silence of the worker, in milliseconds; 0: no limit. */
  timeoutMs?: number;
}

function environment({device, threads}: WorkerOptions): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {...process.env, MANY_HANDS_WORKER: '1'};
  env.CUDA_VISIBLE_DEVICES = device.startsWith('cuda:') ? device.slice('cuda:'.length) : '-1';
  env.TF_FORCE_GPU_ALLOW_GROWTH = 'true';
  env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  if (threads > 0) {
    env.TF_NUM_INTRAOP_THREADS = String(threads);
    env.TF_NUM_INTEROP_THREADS = '1';
    env.OMP_NUM_THREADS = String(threads);
  }
  // A step frees buffers of megabytes that the next one asks for again: glibc keeps them, and saves
  // the page faults.
  env.MALLOC_MMAP_THRESHOLD_ ??= String(32 * 2 ** 20);
  env.MALLOC_TRIM_THRESHOLD_ ??= String(512 * 2 ** 20);
  // A caller under a test runner or a debugger must not hand its flags down.
  delete env.NODE_OPTIONS;
  return env;
}

export class WorkerProcess {
  state: WorkerState = 'starting';
  readonly ready: Promise<void>;
  private readonly child: ChildProcess;
  private readonly gone: Promise<void>;
  private lastWords: string[] = [];
  private handlers: JobHandlers = {};
  private settle: {resolve(value: unknown): void; reject(error: Error): void} | null = null;
  private lastHeard = 0;
  /** Questions that the caller has not answered: meanwhile it is not the worker that is silent. */
  private questions = new Set<number>();
  /**
   * What the caller's own answer threw: the error of the job, whatever the worker says of its end.
   */
  private thrown: Error | null = null;
  /** Why we ended it: a consequence, never a cause. */
  private ended: string | null = null;
  private killer: NodeJS.Timeout | null = null;

  constructor(readonly options: WorkerOptions) {
    this.child = spawn(process.execPath, [options.entry], {
      env: environment(options),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
      execArgv: [],
    } as Parameters<typeof spawn>[2]);
    for (const stream of ['stdout', 'stderr'] as const) {
      eachLine(this.child[stream]!, (line) => {
        this.lastWords = [...this.lastWords.slice(-19), line];
        this.handlers.onOutput?.(stream, line);
      });
    }
    // Not 'close': Node does not emit it once the caller has closed the channel. Its last words may
    // come after its exit.
    const heard = Promise.all(
      ['stdout', 'stderr'].map((stream) => once(this.child[stream as 'stdout']!, 'close')),
    );
    this.gone = new Promise((resolve) =>
      this.child.once(
        'exit',
        () => void Promise.race([heard, delay(LAST_WORDS_MS)]).then(() => resolve()),
      ),
    );
    this.ready = this.start();
    // A start that nobody waits for must not end the caller's program.
    this.ready.catch(() => {});
    this.child.on('message', (message) => this.hear(message as FromWorker));
    this.child.once('error', (error) => this.end(`could not be started: ${error.message}`));
    this.child.once(
      'exit',
      (code, signal) =>
        void this.gone.then(() =>
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
    else if (message.type === 'tell') this.handlers.onTell?.(message.value);
    else if (message.type === 'ask') void this.answer(message.id, message.value);
    else if (message.type === 'done') this.finish((settle) => settle.resolve(message.value));
    else
      this.finish((settle) =>
        settle.reject(
          this.thrown ?? uncrossError(message.error, `the worker on ${this.options.device} failed`),
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
      // A callback of the caller's own threw: that error is the run's.
      if (this.handlers !== handlers) return;
      this.thrown = error as Error;
      this.interrupt();
    } finally {
      this.questions.delete(id);
      this.lastHeard = performance.now();
    }
  }

  private finish(use: (settle: NonNullable<WorkerProcess['settle']>) => void): void {
    const settle = this.settle;
    this.settle = null;
    if (settle) use(settle);
  }

  private fail(error: Error): void {
    this.state = 'failed';
    this.finish((settle) => settle.reject(error));
  }

  private end(how: string): void {
    if (this.state === 'stopping' || this.state === 'stopped') {
      this.state = 'stopped';
      return;
    }
    if (this.state === 'failed') return;
    if (this.ended) {
      this.fail(
        this.thrown ??
          new ManyHandsError(
            'ABORTED',
            `the worker on ${this.options.device} (process ${this.pid}) was ended by SIGKILL: ${this.ended}.`,
          ),
      );
      return;
    }
    const doing =
      this.state === 'starting'
        ? 'while it started'
        : this.state === 'running'
          ? 'during its work'
          : 'while it waited';
    const killed = how.includes('SIGKILL')
      ? ' If nobody killed it, the machine ran out of memory: use a smaller batchSize or model.'
      : '';
    this.fail(
      new ManyHandsError(
        'WORKER',
        `the worker on ${this.options.device} (process ${this.pid}) ${how} ${doing}.${killed}${this.said()}`,
      ),
    );
  }

  private send(message: ToWorker): void {
    // The channel may have closed in this very moment; 'exit' then says why.
    this.child.send(message, () => {});
  }

  /**
   * Runs one job and resolves to its result. Rejects with the worker's error, or `ABORTED` once the
   * signal fires.
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
    this.send({type: 'job', name, job});
    try {
      return await result;
    } finally {
      if (watch) clearInterval(watch);
      // The deadline was this job's: the next one must not meet it.
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
        `the worker on ${this.options.device} (process ${this.pid}) said nothing for ${(silence / 1000).toFixed(1)} s and was ended; timeoutMs allows ${timeoutMs} ms. Raise timeoutMs where one step may take longer.`,
      ),
    );
  }

  private interrupt(): void {
    this.send({type: 'interrupt'});
    this.killer ??= setTimeout(() => this.kill(), STOP_DEADLINE_MS);
  }

  /** Ends the process at once, a stopped one too; `why` is told. */
  kill(why = `it did not stop within ${STOP_DEADLINE_MS / 1000} s of being asked to`): void {
    this.ended = why;
    this.child.kill('SIGKILL');
  }

  /** Ends the process: it may go by itself within the deadline, then it is killed. */
  async stop(): Promise<void> {
    if (this.state === 'stopped') return;
    if (this.state !== 'failed') this.state = 'stopping';
    if (this.child.connected) this.child.disconnect();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await this.gone;
    clearTimeout(timer);
    if (this.state === 'stopping') this.state = 'stopped';
  }

  /** Whether this process keeps the caller's program alive. */
  hold(held: boolean): void {
    const parts = [this.child, this.child.channel, this.child.stdout, this.child.stderr] as Array<
      {ref?(): void; unref?(): void} | null | undefined
    >;
    for (const part of parts) (held ? part?.ref : part?.unref)?.call(part);
  }
}
