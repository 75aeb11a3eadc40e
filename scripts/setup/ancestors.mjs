/**
 * Set-up. A command that runs until Ctrl-C must also end when the npm that started it is killed:
 * npm's shell does not pass that on.
 */
import {execFileSync} from 'node:child_process';

/**
 * The processes between us and the npm that started us, npm's own last; only our parent where no
 * npm is near.
 * @returns {number[]}
 */
function ancestors() {
  /** @type {number[]} */
  const chain = [];
  let pid = process.ppid;
  try {
    for (let i = 0; i < 4 && pid > 1; i++) {
      const [, parent, command] =
        /^\s*(\d+)\s+(.*)$/m.exec(
          execFileSync('ps', ['-o', 'ppid=,args=', '-p', String(pid)], {encoding: 'utf8'}),
        ) ?? [];
      chain.push(pid);
      if (/^npm\b|npm-cli/.test(command ?? '')) return chain;
      pid = Number(parent);
    }
  } catch {
    // There is no `ps` here (a slim container): our parent is all we know.
  }
  return [process.ppid];
}

/** @param {number} pid */
function gone(pid) {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return /** @type {{code?: string}} */ (error).code === 'ESRCH';
  }
}

/**
 * Calls `end` once when one of the processes that started us is gone.
 * @param {() => void} end
 */
export function watchAncestors(end) {
  const parent = process.ppid;
  const chain = ancestors();
  const timer = setInterval(() => {
    if (process.ppid === parent && !chain.some(gone)) return;
    clearInterval(timer);
    end();
  }, 500);
  timer.unref();
}
