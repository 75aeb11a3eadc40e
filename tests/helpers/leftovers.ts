/**
 * Runs before all tests and after them: whatever process a test started, directly or not, must have
 * ended. All of them inherit a mark in their environment.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {haveEnded, isAlive} from './processes';

const MARK = 'MANY_HANDS_TEST_RUN';

function marked(value: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        return pid !== process.pid && words.includes(`${MARK}=${value}`);
      } catch {
        return false;
      }
    });
}

const command = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '(ended)';
  }
};

export default function start(): () => Promise<void> {
  const value = String(process.pid);
  process.env[MARK] = value;
  return async () => {
    // The test processes themselves end a moment before or after this.
    await haveEnded(marked(value), 10_000);
    const left = marked(value).filter(isAlive);
    if (left.length === 0) return;
    process.exitCode = 1;
    throw new Error(
      `the tests left processes behind:\n${left.map((pid) => `${pid} ${command(pid)}`).join('\n')}`,
    );
  };
}
