import {mkdirSync, writeFileSync} from 'node:fs';
import {totalmem} from 'node:os';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {machineMemory, processMemory} from '#lib/memory/processMemory.js';
import {temporaryFolder} from '../helpers/folders';

describe('memory of machine and process', () => {
  it("the group's limit where it is smaller than the machine's RAM", () => {
    const root = temporaryFolder('memory');
    for (const folder of ['proc/self', 'sys/fs/cgroup/mine'])
      mkdirSync(join(root, folder), {recursive: true});
    writeFileSync(join(root, 'proc/self/cgroup'), '0::/mine\n');
    writeFileSync(
      join(root, 'proc/self/mountinfo'),
      '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
    );
    writeFileSync(join(root, 'proc/meminfo'), 'MemTotal: 999999 kB\nMemAvailable:   1000000 kB\n');
    writeFileSync(join(root, 'sys/fs/cgroup/mine/memory.max'), '100000000\n');
    writeFileSync(join(root, 'sys/fs/cgroup/mine/memory.current'), '30000000\n');
    expect(machineMemory(root)).toEqual({totalBytes: 1e8, availableBytes: 7e7, limited: true});
    writeFileSync(join(root, 'sys/fs/cgroup/mine/memory.max'), 'max\n');
    expect(machineMemory(root)).toEqual({
      totalBytes: totalmem(),
      availableBytes: 1_024_000_000,
      limited: false,
    });
  });

  it('this machine, this process', () => {
    const {totalBytes, availableBytes} = machineMemory();
    expect(availableBytes).toBeGreaterThan(0);
    expect(totalBytes).toBeGreaterThanOrEqual(availableBytes);
    expect(processMemory()).toBeGreaterThan(1e7);
  });
});
