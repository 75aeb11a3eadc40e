/** What tests ask the system about processes and shared memory. */
import {readdirSync, readFileSync} from 'node:fs';

/** The process ids of `pid`'s children; linux only. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);

/** Whether a process still runs; one that ended and was not waited for does not. */
export const isAlive = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] !== 'Z';
  } catch {
    return false;
  }
};

/** Waits up to `withinMs` for the end of all `pids`; whether they ended. */
export async function haveEnded(pids: readonly number[], withinMs = 5000): Promise<boolean> {
  const until = performance.now() + withinMs;
  while (pids.some(isAlive) && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 50));
  return !pids.some(isAlive);
}

/** Names of shared memory that somebody left. */
export const sharedNames = (): string[] =>
  readdirSync('/dev/shm').filter((name) => name.startsWith('mh-'));
