import {spawn, spawnSync} from 'node:child_process';
import {existsSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {beforeEach, describe, expect, it} from 'vitest';
import {lock} from '../../scripts/setup/lock.mjs';
import {rootFolder} from '../../scripts/setup/paths.mjs';
import {temporaryFolder} from '../helpers/folders';

let folder: string;
let file: string;
beforeEach(() => {
  folder = temporaryFolder('lock');
  file = join(folder, 'lock');
});

const module = pathToFileURL(join(rootFolder(), 'scripts/setup/lock.mjs')).href;

/** A process that adds one to a number in a file, slowly, under the lock. */
function adder(): Promise<number | null> {
  const program = `
    const {lock} = await import(${JSON.stringify(module)});
    const {readFileSync, writeFileSync} = await import('node:fs');
    const release = await lock(process.argv[1] + '/lock');
    const before = Number(readFileSync(process.argv[1] + '/count', 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    writeFileSync(process.argv[1] + '/count', String(before + 1));
    release();`;
  return new Promise((resolve) =>
    spawn(process.execPath, ['--input-type=module', '-e', program, folder], {stdio: 'inherit'}).on(
      'close',
      resolve,
    ),
  );
}

/** A process number that was ours to use and is free again. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

describe('the lock of set-up', () => {
  it('lets one process in at a time', async () => {
    writeFileSync(join(folder, 'count'), '0');
    expect(await Promise.all([adder(), adder(), adder(), adder()])).toEqual([0, 0, 0, 0]);
    expect(readFileSync(join(folder, 'count'), 'utf8')).toBe('4');
    expect(readdirSync(folder)).toEqual(['count']);
  });

  it('tells the second who has it, and goes on when it is given back', async () => {
    const release = await lock(file);
    const told: number[] = [];
    const second = lock(file, ({pid}) => told.push(pid));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(told).toEqual([process.pid]);
    release();
    (await second)();
    expect(existsSync(file)).toBe(false);
  });

  it('is taken over from a process that is gone', async () => {
    writeFileSync(file, JSON.stringify({pid: deadPid(), host: hostname(), born: null}));
    const release = await lock(file, () => expect.unreachable('nobody is there to wait for'));
    expect((JSON.parse(readFileSync(file, 'utf8')) as {pid: number}).pid).toBe(process.pid);
    release();
  });

  it.runIf(process.platform === 'linux')(
    'is taken over where the number now belongs to another process',
    async () => {
      writeFileSync(file, JSON.stringify({pid: process.pid, host: hostname(), born: '1'}));
      (await lock(file, () => expect.unreachable('its holder is gone')))();
    },
  );

  it('is taken over where its holder died while writing it', async () => {
    writeFileSync(file, '{"pid":');
    (await lock(file))();
    expect(existsSync(file)).toBe(false);
  }, 15_000);
});
