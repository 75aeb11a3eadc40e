/**
 * What becomes of a run when its caller is interrupted or killed, and where shared memory has a
 * name (macOS; forced here).
 */
import {mkdtempSync, readFileSync, rmSync, unlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {childrenOf, haveEnded, isAlive, sharedNames} from '../helpers/processes';
import {program} from './programs';

const FIXTURE = join(__dirname, 'fixtures', 'faultLayer.cjs');
const hangs = (rank: number) => JSON.stringify([{rank, step: 4, fault: 'hang'}]);
const POSIX = {MANY_HANDS_TRANSPORT: 'posix'};

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'faults-'));
  file = join(folder, 'fired');
});
afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
  expect(sharedNames()).toEqual([]);
});

const fires = async () => {
  for (let i = 0; i < 600; i++) {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error('the fault did not fire');
};
describe.runIf(process.platform === 'linux')('22: Ctrl-C', () => {
  it('once waits for a worker that may still stop by itself; twice ends it at once, and nothing is left', async () => {
    const run = program({FIXTURE, FAULTS_FILE: file, SCHEDULE: hangs(1)});
    await fires();
    const workers = childrenOf(run.child.pid!);
    expect(workers).toHaveLength(2);
    run.child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(isAlive(workers[1])).toBe(true);
    const second = performance.now();
    run.child.kill('SIGINT');
    const {signal} = await run.ended;
    expect(performance.now() - second).toBeLessThan(3000);
    expect(signal).toBe('SIGINT');
    expect(await haveEnded(workers)).toBe(true);
  });
});

describe.runIf(process.platform === 'linux')('where shared memory has a name', () => {
  it('a run gives the same numbers, and leaves no name', async () => {
    const plain = program({FIXTURE});
    const named = program({FIXTURE, ...POSIX});
    await Promise.all([plain.ended, named.ended]);
    expect(named.out()).toMatch(/DONE/);
    expect(named.out().match(/DONE.*/)![0]).toBe(plain.out().match(/DONE.*/)![0]);
  });

  it('29: names that something else unlinks during a run are missed by nobody', async () => {
    const run = program({
      FIXTURE,
      FAULTS_FILE: file,
      SCHEDULE: JSON.stringify([{rank: 1, step: 'every', fault: 'slow'}]),
      ...POSIX,
    });
    await run.says('STEP');
    const names = sharedNames();
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) unlinkSync(join('/dev/shm', name));
    await run.ended;
    expect(run.out()).toMatch(/DONE/);
  });

  it('the death of the caller ends a rank that waits for another, and takes the names away', async () => {
    const run = program({
      FIXTURE,
      FAULTS_FILE: file,
      SCHEDULE: JSON.stringify([{rank: 1, step: 4, fault: 'stop'}]),
      ...POSIX,
    });
    await fires();
    const [waiting, stopped] = childrenOf(run.child.pid!);
    run.child.kill('SIGKILL');
    expect(await haveEnded([waiting])).toBe(true);
    // A process that somebody stopped looks at nothing until it goes on.
    process.kill(stopped, 'SIGCONT');
    expect(await haveEnded([stopped])).toBe(true);
  });

  it('13: too little of it is refused with what is needed and what is free, never SIGBUS', async () => {
    const small = 'mount -t tmpfs -o size=16m tmpfs /dev/shm && exec "$@"';
    const run = program({FIXTURE, ROWS: '360000', ...POSIX}, [
      'unshare',
      '--mount',
      'sh',
      '-c',
      small,
      'sh',
    ]);
    const {code} = await run.ended;
    expect(code).toBe(0);
    expect(run.out()).toMatch(
      /FAILED .*shared memory is too small: [\d,]{9,} bytes are needed at once and [\d,]+ are free in \/dev\/shm.*--shm-size/,
    );
  });
});
