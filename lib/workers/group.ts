/**
 * The workers of one run: they start together, and when one fails the others are
 * freed, stopped, and not blamed.
 */
import {ManyHandsError} from '../base/errors';
import {giveBack, takeWorker} from './pool';
import {STOP_DEADLINE_MS, type WorkerOptions, type WorkerProcess} from './workerProcess';

export interface GroupHandlers {
  onTell?(rank: number, value: unknown): void;
  onAsk?(rank: number, value: unknown): Promise<unknown>;
  onOutput?(rank: number, stream: 'stdout' | 'stderr', line: string): void;
  signal?: AbortSignal;
  /** Ends the workers at once, when `signal` was not enough. */
  force?: AbortSignal;
  /** The longest silence of a worker, in milliseconds; 0: no limit. */
  timeoutMs?: number;
  /** Frees ranks that wait for each other. */
  abort?(reason: string): void;
  /** Where a rank was last, in words, or null. */
  describe?(rank: number): string | null;
}

interface Failure {
  rank: number;
  error: Error;
}

// A worker's death is noticed after the errors of those who waited for it.
const GRACE_MS = 1000;

const isFreed = ({error}: Failure) =>
  error instanceof ManyHandsError && (error.code === 'ABORTED' || error.code === 'TIMEOUT');

export class WorkerGroup {
  private constructor(readonly workers: readonly WorkerProcess[]) {}

  /** Warm workers or new ones, all started at once; where one does not start the others go back. */
  static async take(options: WorkerOptions[]): Promise<WorkerGroup> {
    const taken = await Promise.allSettled(options.map(takeWorker));
    const workers = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const rank = taken.findIndex((one) => one.status === 'rejected');
    if (rank < 0) return new WorkerGroup(workers);
    await Promise.all(workers.map(giveBack));
    const {reason} = taken[rank] as PromiseRejectedResult;
    if (options.length === 1) throw reason;
    const error = reason as ManyHandsError;
    throw new ManyHandsError(
      error.code ?? 'WORKER',
      `rank ${rank} of ${options.length} did not start: ${error.message}`,
      {cause: error},
    );
  }

  /**
   * Runs job r on worker r; resolves to the results by rank, or rejects with the first rank's
   * failure that is no consequence.
   */
  async run(name: string, jobs: unknown[], handlers: GroupHandlers): Promise<unknown[]> {
    const {signal, force, timeoutMs, abort} = handlers;
    const stop = new AbortController();
    const failures: Failure[] = [];
    let freed = false;
    let firstFailure!: () => void;
    const failed = new Promise<void>((resolve) => (firstFailure = resolve));
    const free = (reason: string) => {
      if (freed) return;
      freed = true;
      abort?.(reason);
      stop.abort();
    };
    const onSignal = () => free('the run was interrupted');
    const onForce = () => this.kill('the run was interrupted a second time');
    if (signal?.aborted) throw signal.reason;
    signal?.addEventListener('abort', onSignal, {once: true});
    force?.addEventListener('abort', onForce, {once: true});
    try {
      const all = this.workers.map(async (worker, rank) => {
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
          // One that was only freed waits a moment: the death that freed it may not be known yet.
          if (!freed && this.workers.length > 1 && isFreed({rank, error: error as Error}))
            await this.someoneElse(failures, GRACE_MS);
          free(`rank ${headline(failures).rank} failed`);
          return undefined;
        }
      });
      const results = await Promise.race([
        Promise.all(all),
        failed.then(() => this.settle(all, stop.signal)),
      ]);
      if (failures.length === 0) return results!;
      throw this.report(failures, handlers);
    } finally {
      signal?.removeEventListener('abort', onSignal);
      force?.removeEventListener('abort', onForce);
    }
  }

  private async someoneElse(failures: Failure[], withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (failures.every(isFreed) && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /**
   * Waits for all; `WorkerProcess.run` kills one that does not answer an interrupt within its
   * deadline.
   */
  private async settle(all: Array<Promise<unknown>>, stopped: AbortSignal): Promise<unknown[]> {
    if (!stopped.aborted)
      await Promise.race([
        new Promise((resolve) => stopped.addEventListener('abort', resolve, {once: true})),
        Promise.all(all),
      ]);
    const deadline = setTimeout(() => this.kill(), STOP_DEADLINE_MS);
    try {
      return await Promise.all(all);
    } finally {
      clearTimeout(deadline);
    }
  }

  private kill(why?: string): void {
    for (const worker of this.workers) if (worker.state === 'running') worker.kill(why);
  }

  private report(failures: Failure[], handlers: GroupHandlers): Error {
    const first = headline(failures);
    const size = this.workers.length;
    const code = first.error instanceof ManyHandsError ? first.error.code : null;
    // A callback's own error, and one device's, are told as they are.
    if (code === null || size === 1 || code === 'ABORTED') return first.error;
    const same = failures
      .filter(({error}) => error.message === first.error.message)
      .map(({rank}) => rank)
      .sort((a, b) => a - b);
    const who =
      same.length === size
        ? `all ${size} ranks`
        : same.length > 1
          ? `ranks ${same.join(', ')} of ${size}`
          : `rank ${first.rank} of ${size}`;
    const last = handlers.describe?.(first.rank);
    return new ManyHandsError(
      code,
      `${who}: ${sentence(first.error.message)}${last ? ` Its last collective: ${last}.` : ''}${same.length < size ? ' The other ranks were stopped.' : ''}`,
      {cause: first.error.cause ?? first.error},
    );
  }

  /** Ends workers that a job left in no state for another. */
  async retire(ranks: number[]): Promise<void> {
    await Promise.all(ranks.map((rank) => this.workers[rank].stop()));
  }

  /** Gives the workers back to the pool; those that are of no use any more end. */
  async release(): Promise<void> {
    await Promise.all(this.workers.map(giveBack));
  }
}

const sentence = (text: string) => (/[.!?:]$/.test(text.trimEnd()) ? text : `${text}.`);

/** The failure that explains the others: a rank that was freed from waiting is a consequence. */
function headline(failures: Failure[]): Failure {
  return failures.find((failure) => !isFreed(failure)) ?? failures[0];
}
