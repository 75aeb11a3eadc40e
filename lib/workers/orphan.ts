/**
 * The end of a worker whose caller has died, also while the worker waits for another rank and gets
 * no messages.
 */
import {isMainThread} from 'node:worker_threads';
import {unlinkForeign} from './sharedRegion';

const caller = process.ppid;

/**
 * Ends the worker if its caller has died; every long wait calls it. A helper thread leaves this to
 * the worker's main thread, which knows every region.
 */
export function endIfOrphan(): void {
  if (process.env.MANY_HANDS_WORKER !== '1' || !isMainThread || process.ppid === caller) return;
  unlinkForeign();
  process.kill(process.pid, 'SIGKILL');
}
