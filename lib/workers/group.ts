/**
 * The workers of one run. They start together. When one worker fails, the others are stopped, and
 * the error names the worker that failed first.
 */
import {setMaxListeners} from 'node:events';
import {ManyHandsError, messageOf, withCode} from '../base/errors';
import {giveBack, takeWorker} from './pool';
import type {WorkerOptions} from './spawnWorker';
import {STOP_DEADLINE_MS, type WorkerProcess} from './workerProcess';

export interface GroupHandlers {
  onTell?(rank: number, value: unknown): void;
  onAsk?(rank: number, value: unknown): Promise<unknown>;
  onOutput?(rank: number, stream: 'stdout' | 'stderr', line: string): void;
  signal?: AbortSignal;
  /** Kills the workers at once, if `signal` was not enough. */
  force?: AbortSignal;
  /** The longest silence of a worker, in milliseconds; 0: no limit. */
  timeoutMs?: number;
  /** Ends the waits of ranks for each other. */
  abort?(reason: string): void;
  /** A rank's last collective in words, or null. */
  describe?(rank: number): string | null;
}

interface Failure {
  rank: number;
  error: Error;
}

// The errors of workers that waited for a dead worker can arrive before the news of its death.
const GRACE_MS = 1000;

/** Whether a rank only failed because its wait for another rank ended. */
const isConsequence = ({error}: Failure) =>
  error instanceof ManyHandsError && (error.code === 'ABORTED' || error.code === 'TIMEOUT');

export class WorkerGroup {
  private constructor(readonly workers: readonly WorkerProcess[]) {}

  /**
   * Takes warm or new workers, all at once; if a worker does not start, the others are given back.
   */
  static async take(options: WorkerOptions[]): Promise<WorkerGroup> {
    const taken = await Promise.allSettled(options.map(takeWorker));
    const workers = taken.flatMap((result) =>
      result.status === 'fulfilled' ? [result.value] : [],
    );
    const rank = taken.findIndex(({status}) => status === 'rejected');
    if (rank < 0) return new WorkerGroup(workers);
    await Promise.all(workers.map(giveBack));
    const {reason} = taken[rank] as PromiseRejectedResult;
    if (options.length === 1) throw reason;
    const {code, message} = withCode(reason, 'WORKER', 'its process could not be started');
    throw new ManyHandsError(code, `rank ${rank} of ${options.length} did not start: ${message}`, {
      cause: reason,
    });
  }

  /**
   * Runs job r on worker r and resolves to the results by rank. Rejects with the first failure that
   * is not the consequence of another failure.
   */
  async run(name: string, jobs: unknown[], handlers: GroupHandlers): Promise<unknown[]> {
    const {signal, force, timeoutMs, abort} = handlers;
    const stop = new AbortController();
    // Each worker listens, however many there are.
    setMaxListeners(0, stop.signal);
    const failures: Failure[] = [];
    let stopped = false;
    let firstFailure!: () => void;
    const failed = new Promise<void>((resolve) => (firstFailure = resolve));
    const stopAll = (reason: string) => {
      if (stopped) return;
      stopped = true;
      abort?.(reason);
      stop.abort(new ManyHandsError('ABORTED', `the job was not started: ${reason}.`));
    };
    const onSignal = () => stopAll('the run was interrupted');
    const onForce = () => this.kill('the run was interrupted a second time');
    if (signal?.aborted) throw signal.reason;
    signal?.addEventListener('abort', onSignal, {once: true});
    force?.addEventListener('abort', onForce, {once: true});
    try {
      const runs = this.workers.map(async (worker, rank) => {
        try {
          return await worker.run(name, jobs[rank], {
            signal: stop.signal,
            timeoutMs,
            onTell: (value) => handlers.onTell?.(rank, value),
            onAsk: async (value) => handlers.onAsk?.(rank, value),
            onOutput: (stream, line) => handlers.onOutput?.(rank, stream, line),
          });
        } catch (error) {
          failures.push({rank, error: error as Error});
          firstFailure();
          // This failure may be the consequence of a death that is not known yet.
          if (!stopped && this.workers.length > 1 && isConsequence({rank, error: error as Error}))
            await this.waitForCause(failures, GRACE_MS);
          stopAll(`rank ${headline(failures).rank} failed`);
          return undefined;
        }
      });
      const results = await Promise.race([
        Promise.all(runs),
        failed.then(() => this.settle(runs, stop.signal)),
      ]);
      if (failures.length === 0) return results!;
      throw this.report(failures, handlers);
    } finally {
      signal?.removeEventListener('abort', onSignal);
      force?.removeEventListener('abort', onForce);
    }
  }

  private async waitForCause(failures: Failure[], withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (failures.every(isConsequence) && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Waits for all workers; a worker that does not stop within the deadline is killed. */
  private async settle(runs: Array<Promise<unknown>>, stop: AbortSignal): Promise<unknown[]> {
    if (!stop.aborted)
      await Promise.race([
        new Promise((resolve) => stop.addEventListener('abort', resolve, {once: true})),
        Promise.all(runs),
      ]);
    const deadline = setTimeout(() => this.kill(), STOP_DEADLINE_MS);
    try {
      return await Promise.all(runs);
    } finally {
      clearTimeout(deadline);
    }
  }

  private kill(reason?: string): void {
    for (const worker of this.workers) if (worker.state === 'running') worker.kill(reason);
  }

  private report(failures: Failure[], handlers: GroupHandlers): Error {
    const first = headline(failures);
    const size = this.workers.length;
    const code = first.error instanceof ManyHandsError ? first.error.code : null;
    // The errors of a callback and of a single device are passed on unchanged.
    if (code === null || size === 1 || code === 'ABORTED') return first.error;
    const ranks = failures
      .filter(({error}) => messageOf(error) === first.error.message)
      .map(({rank}) => rank)
      .sort((a, b) => a - b);
    const last = handlers.describe?.(first.rank);
    return new ManyHandsError(
      code,
      `${rankWords(ranks, size)}: ${sentence(first.error.message)}${last ? ` Its last collective: ${last}.` : ''}${ranks.length < size ? ' The other ranks were stopped.' : ''}`,
      {cause: first.error.cause ?? first.error},
    );
  }

  /** Ends workers that cannot run another job. */
  async retire(ranks: number[]): Promise<void> {
    await Promise.all(ranks.map((rank) => this.workers[rank].stop()));
  }

  /** Gives the workers back to the pool; workers that are no longer usable end. */
  async release(): Promise<void> {
    await Promise.all(this.workers.map(giveBack));
  }
}

const sentence = (text: string) => (/[.!?:]$/.test(text.trimEnd()) ? text : `${text}.`);

function rankWords(ranks: number[], size: number): string {
  if (ranks.length === size) return `all ${size} ranks`;
  if (ranks.length > 1) return `ranks ${ranks.join(', ')} of ${size}`;
  return `rank ${ranks[0]} of ${size}`;
}

/** The failure that explains the others. */
function headline(failures: Failure[]): Failure {
  return failures.find((failure) => !isConsequence(failure)) ?? failures[0];
}
