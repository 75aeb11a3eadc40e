/**
 * Loads TensorFlow without its greetings. They go to file descriptor 2 from C++, and
 * libtensorflow 2.21 writes two of them whatever TF_CPP_MIN_LOG_LEVEL says.
 */
import {closeSync, fstatSync, openSync, readSync, rmSync, writeSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const STDERR = 2;

/**
 * What libtensorflow says at its start. Its warnings and errors (W, E, F) are no greetings.
 */
export const GREETING =
  /^(WARNING: All log messages before absl::InitializeLog|I\d{4} [\d:.]+ +\d+ )|^To enable the following instructions:/;

interface Descriptors {
  dup(fd: number): number;
  dup2(from: number, to: number): number;
}

/** All that was written to an open file, from its beginning. */
function textOf(file: number): string {
  const bytes = Buffer.alloc(fstatSync(file).size);
  const read = readSync(file, bytes, 0, bytes.length, 0);
  return bytes.toString('utf8', 0, read);
}

/** Null where koffi does not load, or the system has other calls. */
function descriptors(): Descriptors | null {
  if (!['linux', 'darwin'].includes(process.platform)) return null;
  try {
    const koffi = require('koffi') as typeof import('koffi', { with: {
      'resolution-mode': 'import',
    }});
    const c = koffi.load(null);
    return {
      dup: c.func('int dup(int fd)') as Descriptors['dup'],
      dup2: c.func('int dup2(int from, int to)') as Descriptors['dup2'],
    };
  } catch {
    return null;
  }
}

/**
 * Runs `load` with stderr in a file, and then writes to stderr what is no greeting. It only runs
 * `load` where that is not possible, where the user asks for information (TF_CPP_MIN_LOG_LEVEL 0 or
 * 1), and in a worker, whose caller reads its stderr.
 */
export function loadQuietly<T>(load: () => T): T {
  const {MANY_HANDS_WORKER: worker, TF_CPP_MIN_LOG_LEVEL: level} = process.env;
  if (worker === '1' || Number(level) < 2) return load();
  const calls = descriptors();
  const own = calls ? calls.dup(STDERR) : -1;
  if (!calls || own < 0) return load();
  const file = join(tmpdir(), `many-hands-${process.pid}-${process.hrtime.bigint()}.log`);
  let log: number;
  try {
    log = openSync(file, 'wx+', 0o600);
    rmSync(file);
  } catch {
    closeSync(own);
    return load();
  }
  calls.dup2(log, STDERR);
  try {
    return load();
  } finally {
    calls.dup2(own, STDERR);
    closeSync(own);
    const lines = textOf(log).split('\n');
    const rest = lines.filter((line) => !GREETING.test(line)).join('\n');
    closeSync(log);
    if (rest !== '') writeSync(STDERR, rest);
  }
}
