/**
 * The caller's side, scripts only. Ends a process and all that it started, and waits until they are
 * gone.
 */
import {execFileSync} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';

/** Every process below `pid`, nearest first. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], {encoding: 'utf8'}).split(
    '\n',
  )) {
    const [child, parent, state] = line.trim().split(/\s+/);
    if (!child || !parent || state?.startsWith('Z')) continue;
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(child)]);
  }
  const found: number[] = [];
  for (let queue = [pid]; queue.length; ) {
    queue = queue.flatMap((each) => children.get(each) ?? []);
    found.push(...queue);
  }
  return found;
}

/** Whether a process is there (a zombie that nobody has waited for yet counts as gone). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], {encoding: 'utf8'})
      .trim()
      .startsWith('Z');
  } catch {
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * SIGTERM to the process, `graceMs` for it to end with its children, then SIGKILL to whatever is
 * left.
 */
export async function endTree(pid: number, graceMs = 8_000): Promise<void> {
  // Listed first: once the parent is gone, nobody knows whose children they were.
  const all = [pid, ...descendants(pid)];
  signal(pid, 'SIGTERM');
  const deadline = Date.now() + graceMs;
  while (Date.now() < deadline && all.some(isAlive)) await sleep(100);
  for (const each of all) if (isAlive(each)) signal(each, 'SIGKILL');
  while (all.some(isAlive)) await sleep(50);
}
