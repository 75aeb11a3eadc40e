import {mkdirSync, writeFileSync} from 'node:fs';
import {availableParallelism, totalmem} from 'node:os';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {cgroupCpus, cgroupMemory, cgroupMemoryBytes, physicalCores} from '#lib/base/cgroup.js';
import {temporaryFolder} from '../helpers/folders';

/** A machine's files in a folder of their own. */
function machine(files: Record<string, string>): string {
  const root = temporaryFolder('cgroup');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), {recursive: true});
    writeFileSync(join(root, name), text);
  }
  return root;
}

const v2 = {
  'proc/self/cgroup': '0::/jobs/mine\n',
  'proc/self/mountinfo': '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n',
};
const v1 = {
  'proc/self/cgroup': '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n',
  'proc/self/mountinfo':
    '31 30 0:27 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n' +
    '32 30 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n',
};

describe('the control group', () => {
  it('version 2: the tightest limit from the own group upwards', () => {
    const root = machine({
      ...v2,
      'sys/fs/cgroup/jobs/mine/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/jobs/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/jobs/mine/memory.max': '4000000000\n',
      'sys/fs/cgroup/jobs/memory.max': '2000000000\n',
      'sys/fs/cgroup/jobs/memory.current': '900\n',
      'sys/fs/cgroup/jobs/memory.stat': 'anon 500\ninactive_file 300\n',
    });
    expect(cgroupCpus(root)).toBe(1.5);
    expect(cgroupMemoryBytes(root)).toBe(2e9);
    expect(cgroupMemory(root)).toEqual({limitBytes: 2e9, usedBytes: 600});
  });

  it('version 1, as a container sees it: the mount begins at the own group', () => {
    const root = machine({
      ...v1,
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '200000\n',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '1073741824\n',
    });
    expect(cgroupCpus(root)).toBe(2);
    expect(cgroupMemoryBytes(root)).toBe(2 ** 30);
  });

  it('no limit is null, in either version, and where there is no group', () => {
    const limitless = machine({
      ...v1,
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    const max = machine({
      ...v2,
      'sys/fs/cgroup/jobs/mine/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/jobs/mine/memory.max': 'max\n',
    });
    for (const root of [limitless, max, machine({})]) {
      expect(cgroupCpus(root)).toBeNull();
      expect(cgroupMemoryBytes(root)).toBeNull();
    }
  });
});

describe('physical cores', () => {
  const siblings = (lists: string[]) =>
    Object.fromEntries(
      lists.map((list, cpu) => [
        `sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
        `${list}\n`,
      ]),
    );
  const eight = siblings(['0,4', '1,5', '2,6', '3,7', '0,4', '1,5', '2,6', '3,7']);

  it('hyper-threads count once, affinity and quota cut', () => {
    expect(
      physicalCores(machine({...eight, 'proc/self/status': 'Cpus_allowed_list:\t0-7\n'})),
    ).toBe(4);
    expect(
      physicalCores(machine({...eight, 'proc/self/status': 'Cpus_allowed_list:\t0,4-5\n'})),
    ).toBe(2);
    expect(
      physicalCores(machine({...eight, ...v2, 'sys/fs/cgroup/cpu.max': '150000 100000\n'})),
    ).toBe(1);
  });

  it('/proc/cpuinfo where the topology is hidden', () => {
    const cpu = (n: number, core: number) =>
      `processor\t: ${n}\nphysical id\t: 0\ncore id\t\t: ${core}\n`;
    expect(
      physicalCores(
        machine({
          'proc/self/status': 'Cpus_allowed_list:\t0-3\n',
          'proc/cpuinfo': [cpu(0, 0), cpu(1, 1), cpu(2, 0), cpu(3, 1)].join('\n'),
        }),
      ),
    ).toBe(2);
  });

  it('this machine: at least one core, no more than its CPUs', () => {
    expect(physicalCores()).toBeGreaterThanOrEqual(1);
    expect(physicalCores()).toBeLessThanOrEqual(availableParallelism());
    const limit = cgroupMemoryBytes();
    if (limit !== null) expect(limit).toBeLessThan(totalmem() * 1000);
  });
});
