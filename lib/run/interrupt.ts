/**
 * Stops a run's workers at a notebook's interrupt or a terminal's Ctrl-C. Afterwards the signal has
 * its usual effect on the program.
 */
import {ManyHandsError} from '../base/errors';

export interface Interrupt {
  /** Fires at SIGINT, or when the caller's signal fires. */
  signal: AbortSignal;
  /** Fires at a second SIGINT: workers that have not stopped yet must be ended at once. */
  force: AbortSignal;
  /** Call this when the run is over: it stops listening. */
  release(): void;
}

export function stopOnInterrupt(callerSignal: AbortSignal | undefined): Interrupt {
  const controller = new AbortController();
  const force = new AbortController();
  const aborted = () => new ManyHandsError('ABORTED', 'the run was interrupted before it began.');
  const abort = () => controller.abort(aborted());
  let interrupted = false;
  // A notebook kernel has a listener too. A plain program has no other listener, so it ends, as
  // Ctrl-C demands, once its workers have stopped.
  const isOnlyListener = process.listenerCount('SIGINT') === 0;
  const onInterrupt = () => {
    if (interrupted) force.abort();
    interrupted = true;
    abort();
  };
  process.on('SIGINT', onInterrupt);
  if (callerSignal?.aborted) abort();
  callerSignal?.addEventListener('abort', abort, {once: true});
  return {
    signal: controller.signal,
    force: force.signal,
    release: () => {
      process.off('SIGINT', onInterrupt);
      callerSignal?.removeEventListener('abort', abort);
      if (interrupted && isOnlyListener) process.kill(process.pid, 'SIGINT');
    },
  };
}
