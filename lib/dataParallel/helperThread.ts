/**
 * The helper threads of a worker process. A thread executes the collectives of one stream at a
 * time. After a run it stays warm for the next run, because its start takes longer than a short
 * run. An idle thread does not keep the process alive, and ends with it.
 */
import {join} from 'node:path';
import {Worker} from 'node:worker_threads';
import {ManyHandsError} from '../base/errors';
import {
  CONTROL,
  CONTROL_BYTES,
  type FromThread,
  type ThreadData,
  type ThreadRun,
} from './threadProtocol';

/** Threads that wait for a run. */
const idle: HelperThread[] = [];

export class HelperThread {
  readonly control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  private readonly worker: Worker;
  private settle: {resolve(message: FromThread): void; reject(error: Error): void} | null = null;
  private ended = false;

  private constructor() {
    const workerData: ThreadData = {control: this.control.buffer as SharedArrayBuffer};
    this.worker = new Worker(join(__dirname, 'commThread.js'), {workerData});
    this.worker.on('message', (message: FromThread) => this.settle?.resolve(message));
    this.worker.on('error', (error) => this.fail(error));
    this.worker.on('exit', () =>
      this.fail(new ManyHandsError('INTERNAL', 'internal: a helper thread ended before its run.')),
    );
    this.worker.unref();
  }

  /** A warm thread, or a new one. */
  static take(): HelperThread {
    return idle.pop() ?? new HelperThread();
  }

  /** Node's number of the thread. */
  get id(): number {
    return this.worker.threadId;
  }

  /** Starts a run; resolves to the thread's answer at the end of the run. */
  run(run: ThreadRun): Promise<FromThread> {
    this.control.fill(0, 0, CONTROL.ring);
    const answer = new Promise<FromThread>((resolve, reject) => {
      this.settle = {resolve, reject};
    });
    // A thread that cannot load must not leave the rank waiting.
    answer.catch(() => {
      Atomics.store(this.control, CONTROL.failed, 1);
      Atomics.notify(this.control, CONTROL.finished);
    });
    this.worker.postMessage(run);
    return answer;
  }

  private fail(error: Error): void {
    this.ended = true;
    const index = idle.indexOf(this);
    if (index >= 0) idle.splice(index, 1);
    this.settle?.reject(error);
  }

  /** While the thread is held, the process does not end. */
  hold(keepsAlive: boolean): void {
    if (keepsAlive) this.worker.ref();
    else this.worker.unref();
  }

  /** The run is over: the thread waits for the next one. */
  release(): void {
    this.settle = null;
    this.hold(false);
    if (!this.ended) idle.push(this);
  }

  /** Ends the thread at once, even during a collective. */
  async terminate(): Promise<void> {
    this.settle = null;
    await this.worker.terminate();
  }
}
