/**
 * Warm workers: the start of a worker takes most of a second, so the workers of one cell wait for
 * the next cell. A waiting worker does not keep a finished program alive.
 */
import {withCode} from '../base/errors';
import type {WorkerOptions} from './spawnWorker';
import {WorkerProcess} from './workerProcess';

const waiting: WorkerProcess[] = [];

// Each waiting worker holds the memory of its engine, so more than this many are not kept.
const MOST_WAITING = 8;

function fits(worker: WorkerProcess, options: WorkerOptions): boolean {
  const current = worker.options;
  return (
    worker.state === 'ready' &&
    current.entry === options.entry &&
    current.device === options.device &&
    current.threads === options.threads
  );
}

/** Starts a process. Throws WORKER if the system refuses it, for example for lack of memory. */
function startWorker(options: WorkerOptions): WorkerProcess {
  try {
    return new WorkerProcess(options);
  } catch (error) {
    throw withCode(error, 'WORKER', `a worker on ${options.device} could not be started`);
  }
}

/** A warm or new worker that is ready for a job; throws if a new worker does not start. */
export async function takeWorker(options: WorkerOptions): Promise<WorkerProcess> {
  for (let i = waiting.length - 1; i >= 0; i--)
    if (waiting[i].state === 'failed') waiting.splice(i, 1);
  const index = waiting.findIndex((worker) => fits(worker, options));
  const worker = index >= 0 ? waiting.splice(index, 1)[0] : startWorker(options);
  worker.hold(true);
  try {
    await worker.ready;
  } catch (error) {
    await worker.stop();
    throw error;
  }
  return worker;
}

/** Gives a worker back: it waits for the next job, or ends if it is no longer usable. */
export async function giveBack(worker: WorkerProcess): Promise<void> {
  if (worker.state !== 'ready' || waiting.length >= MOST_WAITING) {
    await worker.stop();
    return;
  }
  worker.hold(false);
  waiting.push(worker);
}

/** Ends every waiting worker. */
export async function closeWorkers(): Promise<void> {
  await Promise.all(waiting.splice(0).map((worker) => worker.stop()));
}
