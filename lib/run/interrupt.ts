/**
 * A notebook's interrupt and a terminal's Ctrl-C stop a run's workers; afterwards the
 * program goes the way it would have.
 */
import {ManyHandsError} from '../base/errors';

export interface Interrupt {
  /** Fires at SIGINT, or when the caller's own signal does. */
  signal: AbortSignal;
  /** Fires at a second SIGINT: what has not stopped yet is to be ended at once. */
  force: AbortSignal;
  /** The run is over: no longer listens. */
  release(): void;
}

export function stopOnInterrupt(own: AbortSignal | undefined): Interrupt {
  const controller = new AbortController();
  const force = new AbortController();
  const aborted = () => new ManyHandsError('ABORTED', 'the run was interrupted before it began.');
  const abort = () => controller.abort(aborted());
  let interrupted = false;
  // A kernel listens for itself; a plain program that nobody else keeps alive ends, as Ctrl-C
  // means, once its workers have stopped.
  const alone = process.listenerCount('SIGINT') === 0;
  const onInterrupt = () => {
    if (interrupted) force.abort();
    interrupted = true;
    abort();
  };
  process.on('SIGINT', onInterrupt);
  if (own?.aborted) abort();
  own?.addEventListener('abort', abort, {once: true});
  return {
    signal: controller.signal,
    force: force.signal,
    release: () => {
      process.off('SIGINT', onInterrupt);
      own?.removeEventListener('abort', abort);
      if (interrupted && alone) process.kill(process.pid, 'SIGINT');
    },
  };
}
