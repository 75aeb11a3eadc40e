/**
 * Stops a run's workers at a notebook's interrupt or a terminal's Ctrl-C. Afterwards the signal has
 * its usual effect on the program.
 */
import {setMaxListeners} from 'node:events';
import {ManyHandsError} from '../base/errors';

export interface Interrupt {
  /** Fires at SIGINT, or when the caller's signal fires. */
  signal: AbortSignal;
  /** Fires at a second SIGINT: workers that have not stopped yet must be ended at once. */
  force: AbortSignal;
  /** Call this when the run is over: it stops listening. */
  release(): void;
}

/** The runs that a SIGINT stops. They share one listener: Node warns of more than ten. */
const running = new Set<() => void>();
/** Whether a run was interrupted, and no other listener takes care of the program's end. */
let endsProgram = false;

const onInterrupt = () => {
  for (const interrupt of running) interrupt();
};

/** Calls `interrupt` at each SIGINT; returns the function that ends this. */
function listen(interrupt: () => void): () => void {
  if (running.size === 0) process.on('SIGINT', onInterrupt);
  running.add(interrupt);
  return () => {
    running.delete(interrupt);
    if (running.size > 0) return;
    process.off('SIGINT', onInterrupt);
    if (endsProgram) process.kill(process.pid, 'SIGINT');
    endsProgram = false;
  };
}

/** Adds `abort` to a signal that may belong to any number of runs. */
function follow(signal: AbortSignal | undefined, abort: () => void): () => void {
  if (!signal) return () => {};
  if (signal.aborted) abort();
  // Node's limit is meant for listeners that nobody removes.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', abort, {once: true});
  return () => signal.removeEventListener('abort', abort);
}

export function stopOnInterrupt(callerSignal: AbortSignal | undefined): Interrupt {
  const controller = new AbortController();
  const force = new AbortController();
  const aborted = () => new ManyHandsError('ABORTED', 'the run was interrupted before it began.');
  const abort = () => controller.abort(aborted());
  let interrupted = false;
  // A notebook kernel has a listener too. A plain program has no other listener, so it ends, as
  // Ctrl-C demands, once its workers have stopped.
  const isOnlyListener = process.listenerCount('SIGINT') === (running.size > 0 ? 1 : 0);
  const unlisten = listen(() => {
    if (interrupted) force.abort();
    interrupted = true;
    endsProgram ||= isOnlyListener;
    abort();
  });
  const unfollow = follow(callerSignal, abort);
  return {
    signal: controller.signal,
    force: force.signal,
    release: () => {
      unfollow();
      unlisten();
    },
  };
}
