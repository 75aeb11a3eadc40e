/**
 * What this process can use of the machine: physical cores, and CPUs and memory within the limits
 * of its control group (Linux, versions 1 and 2).
 *
 * Each function takes the root of the file system that it reads, so that a test can imitate a
 * machine in a folder.
 */
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {join, posix} from 'node:path';

/**
 * The folders of one cgroup controller for this process: first its own group, then the ancestors up
 * to the mount.
 */
interface Groups {
  version: 1 | 2;
  folders: string[];
}

function readText(...parts: string[]): string | null {
  try {
    return readFileSync(join(...parts), 'utf8');
  } catch {
    return null;
  }
}

/** The number in a kernel file; null if the file is missing or says 'max'. */
function readNumber(...parts: string[]): number | null {
  const text = readText(...parts)?.trim();
  if (!text || !/^-?\d+$/.test(text)) return null;
  return Number(text);
}

/** The cgroup version of a mounted file system that may limit `controller`; null for any other. */
function cgroupVersion(
  type: string,
  options: string,
  controller: 'cpu' | 'memory',
): Groups['version'] | null {
  if (type === 'cgroup2') return 2;
  return type === 'cgroup' && options.split(',').includes(controller) ? 1 : null;
}

/**
 * A group's path below the mount point. The path counts from the top of the hierarchy, but the
 * mount may begin below the top (as a container sees it).
 */
function pathInMount(path: string, mountRoot: string): string {
  if (mountRoot === '/') return path;
  const isInside = path === mountRoot || path.startsWith(`${mountRoot}/`);
  return isInside ? path.slice(mountRoot.length) : '/';
}

/** Every place that can limit `controller`; both versions can be mounted at once. */
function groupsOf(controller: 'cpu' | 'memory', root: string): Groups[] {
  const memberships = (readText(root, 'proc/self/cgroup') ?? '')
    .split('\n')
    .map((line) => line.split(':'));
  const groups: Groups[] = [];
  for (const line of (readText(root, 'proc/self/mountinfo') ?? '').split('\n')) {
    const [before, after] = line.split(' - ').map((half) => half.split(' '));
    if (!after) continue;
    const [, , , mountRoot, mountPoint] = before;
    const [type, , options = ''] = after;
    const version = cgroupVersion(type, options, controller);
    if (version === null) continue;
    const path = memberships
      .find(([, names]) => (version === 2 ? names === '' : names?.split(',').includes(controller)))
      ?.slice(2)
      .join(':');
    if (path === undefined) continue;
    const folders: string[] = [];
    let folder = posix.join('/', pathInMount(path, mountRoot));
    for (; ; folder = posix.dirname(folder)) {
      folders.push(join(root, mountPoint, folder));
      if (folder === '/') break;
    }
    groups.push({version, folders});
  }
  return groups;
}

function smallest(values: (number | null)[]): number | null {
  const known = values.filter((value): value is number => value !== null);
  return known.length ? Math.min(...known) : null;
}

/**
 * The CPU time that the control group allows, in CPUs (it can be a fraction such as 1.5); null if
 * there is no group or no quota.
 */
export function cgroupCpus(root = '/'): number | null {
  return smallest(
    groupsOf('cpu', root).flatMap(({version, folders}) =>
      folders.map((folder) => {
        if (version === 2) {
          const [quota, period] = (readText(folder, 'cpu.max') ?? '')
            .trim()
            .split(/\s+/)
            .map(Number);
          return quota > 0 && period > 0 ? quota / period : null;
        }
        const quota = readNumber(folder, 'cpu.cfs_quota_us');
        const period = readNumber(folder, 'cpu.cfs_period_us');
        return quota !== null && quota > 0 && period !== null && period > 0 ? quota / period : null;
      }),
    ),
  );
}

/**
 * The bytes of memory that the control group and its ancestors allow; null if there is no group or
 * no limit.
 */
export function cgroupMemoryBytes(root = '/'): number | null {
  return cgroupMemory(root)?.limitBytes ?? null;
}

/**
 * The tightest memory limit, and what its group uses now, without the page cache that the kernel
 * can free.
 */
export function cgroupMemory(root = '/'): {limitBytes: number; usedBytes: number} | null {
  const limits = groupsOf('memory', root).flatMap(({version, folders}) =>
    folders.map((folder) => ({
      folder,
      version,
      limit: readNumber(folder, version === 2 ? 'memory.max' : 'memory.limit_in_bytes'),
    })),
  );
  let tightest: {folder: string; version: 1 | 2; limit: number} | null = null;
  for (const {folder, version, limit} of limits) {
    // In version 1 a number near 2^63 means "no limit".
    if (limit === null || limit <= 0 || limit >= 2 ** 60) continue;
    if (!tightest || limit < tightest.limit) tightest = {folder, version, limit};
  }
  if (!tightest) return null;
  const {folder, version, limit} = tightest;
  const used = readNumber(folder, version === 2 ? 'memory.current' : 'memory.usage_in_bytes') ?? 0;
  const idle = /^(?:total_)?inactive_file (\d+)$/m.exec(readText(folder, 'memory.stat') ?? '')?.[1];
  return {limitBytes: limit, usedBytes: Math.max(0, used - Number(idle ?? 0))};
}

/** The numbers in a kernel list such as '0-3,8'. */
function numbersIn(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter(Boolean)
    .flatMap((part) => {
      const ends = part.split('-').map(Number);
      return Array.from({length: (ends[1] ?? ends[0]) - ends[0] + 1}, (_, i) => ends[0] + i);
    });
}

/**
 * The number of cores of the CPUs that this process can run on; null if the kernel does not say.
 */
function coresByTopology(root: string): number | null {
  const allowed =
    /^Cpus_allowed_list:\s*(\S+)/m.exec(readText(root, 'proc/self/status') ?? '')?.[1] ??
    readText(root, 'sys/devices/system/cpu/online');
  if (!allowed) return null;
  const cores = new Set<string>();
  for (const cpu of numbersIn(allowed)) {
    const topology = join(root, 'sys/devices/system/cpu', `cpu${cpu}`, 'topology');
    const siblings =
      readText(topology, 'thread_siblings_list') ?? readText(topology, 'core_cpus_list');
    cores.add(siblings?.trim() ? siblings.trim() : (coreInCpuinfo(cpu, root) ?? `cpu ${cpu}`));
  }
  return cores.size || null;
}

/** 'package/core' of a CPU by /proc/cpuinfo (x86 only); null if it is not there. */
function coreInCpuinfo(cpu: number, root: string): string | null {
  for (const block of (readText(root, 'proc/cpuinfo') ?? '').split('\n\n')) {
    if (!new RegExp(`^processor\\s*: ${cpu}$`, 'm').test(block)) continue;
    const core = /^core id\s*: (\d+)$/m.exec(block)?.[1];
    return core === undefined
      ? null
      : `${/^physical id\s*: (\d+)$/m.exec(block)?.[1] ?? 0}/${core}`;
  }
  return null;
}

function coresOfMac(): number | null {
  if (process.platform !== 'darwin') return null;
  try {
    const count = Number(
      execFileSync('/usr/sbin/sysctl', ['-n', 'hw.physicalcpu'], {encoding: 'utf8', timeout: 2000}),
    );
    return count > 0 ? count : null;
  } catch {
    return null;
  }
}

/**
 * The number of physical cores that this process can use, at least 1. Hyper-threads of a core count
 * once; CPU affinity and the control group's quota reduce the number.
 */
export function physicalCores(root = '/'): number {
  const cores = coresByTopology(root) ?? coresOfMac() ?? availableParallelism();
  return Math.max(1, Math.min(cores, Math.floor(cgroupCpus(root) ?? cores)));
}
