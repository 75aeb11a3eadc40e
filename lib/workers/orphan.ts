/**
 * A worker whose caller has died ends, also while it waits for another rank and hears
 * nothing.
 */
import {isMainThread} from 'node:worker_threads';
import {unlinkForeign} from './sharedRegion';

const caller = process.ppid;

/**
 * Called wherever a worker waits for long. A helper thread leaves it to the worker's own, which
 * knows every region.
 */
export function endIfOrphan(): void {
  if (process.env.MANY_HANDS_WORKER !== '1' || !isMainThread || process.ppid === caller) return;
  unlinkForeign();
  process.kill(process.pid, 'SIGKILL');
}
