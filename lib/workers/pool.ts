/**
 * Warm workers: starting one costs most of a second, so a cell's workers wait for the
 * next cell. A waiting worker does not keep a finished program alive.
 */
import {WorkerProcess, type WorkerOptions} from './workerProcess';

const waiting: WorkerProcess[] = [];

// More warm workers than this are ended when they come back: each holds its engine's memory.
const MOST_WAITING = 8;

function fits(worker: WorkerProcess, options: WorkerOptions): boolean {
  const own = worker.options;
  return (
    worker.state === 'ready' &&
    own.entry === options.entry &&
    own.device === options.device &&
    own.threads === options.threads
  );
}

/** A worker that is ready for a job: a warm one, or a new one. */
export async function takeWorker(options: WorkerOptions): Promise<WorkerProcess> {
  for (let i = waiting.length - 1; i >= 0; i--)
    if (waiting[i].state === 'failed') waiting.splice(i, 1);
  const at = waiting.findIndex((worker) => fits(worker, options));
  const worker = at >= 0 ? waiting.splice(at, 1)[0] : new WorkerProcess(options);
  worker.hold(true);
  try {
    await worker.ready;
  } catch (error) {
    await worker.stop();
    throw error;
  }
  return worker;
}

/** Gives a worker back: it waits for the next job, or ends if its last one left it unusable. */
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
