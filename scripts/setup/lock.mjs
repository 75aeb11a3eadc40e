/**
 * Set-up. One set-up at a time in a clone: the second waits for the first; a dead one's lock is
 * taken over.
 */
import {mkdirSync, readFileSync, rmSync, rmdirSync, statSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {dirname} from 'node:path';

/** @typedef {{pid: number, host: string, born: string | null}} Holder */

/**
 * When a process was born, in the kernel's ticks: tells it from a later one with the same number.
 * Null off Linux.
 * @param {number} pid
 */
function bornOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** @param {Holder} holder */
function alive({pid, host, born}) {
  if (host !== hostname()) return true; // A shared folder: we cannot look into the other machine.
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {{code?: string}} */ (error).code === 'ESRCH') return false;
  }
  const now = bornOf(pid);
  return born === null || now === null || born === now;
}

/**
 * Who holds the lock; null where nobody does, 'writing' where its file is there but not written
 * yet.
 * @param {string} file
 */
function holderOf(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  try {
    return /** @type {Holder} */ (JSON.parse(text));
  } catch {
    try {
      return Date.now() - statSync(file).mtimeMs < 3000
        ? 'writing'
        : {pid: -1, host: hostname(), born: null};
    } catch {
      return null;
    }
  }
}

/** @param {string} file */
function tryToTake(file) {
  try {
    writeFileSync(
      file,
      JSON.stringify({pid: process.pid, host: hostname(), born: bornOf(process.pid)}),
      {flag: 'wx'},
    );
    return true;
  } catch (error) {
    if (/** @type {{code?: string}} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a dead holder's lock. A folder next to it lets one process at a time look and remove, so
 * that no live lock goes.
 * @param {string} file
 */
function clearDead(file) {
  const guard = `${file}.clearing`;
  try {
    mkdirSync(guard);
  } catch {
    const since = statSync(guard, {throwIfNoEntry: false})?.mtimeMs;
    if (since !== undefined && Date.now() - since > 10_000)
      rmSync(guard, {recursive: true, force: true});
    return;
  }
  try {
    const holder = holderOf(file);
    if (holder && holder !== 'writing' && (holder.pid < 0 || !alive(holder)))
      rmSync(file, {force: true});
  } finally {
    rmdirSync(guard);
  }
}

/**
 * Takes the lock, waiting for a living holder; resolves to the function that gives it back.
 * @param {string} file
 * @param {(holder: Holder) => void} [waiting] called once when there is somebody to wait for
 */
export async function lock(file, waiting = () => {}) {
  mkdirSync(dirname(file), {recursive: true});
  let told = false;
  while (!tryToTake(file)) {
    const holder = holderOf(file);
    if (holder !== null && holder !== 'writing' && (holder.pid < 0 || !alive(holder))) {
      clearDead(file);
    } else {
      if (!told && holder && holder !== 'writing') {
        told = true;
        waiting(holder);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  return () => {
    const holder = holderOf(file);
    if (holder && holder !== 'writing' && holder.pid === process.pid && holder.host === hostname())
      rmSync(file, {force: true});
  };
}
