/**
 * The memory of the machine and of this process, within the control group's limit.
 */
import {readFileSync} from 'node:fs';
import {freemem, totalmem} from 'node:os';
import {join} from 'node:path';
import {cgroupMemory} from '../base/cgroup';

/**
 * All memory that this process holds in RAM, in bytes: tensors, kernel scratch, libraries,
 * JavaScript.
 */
export function processMemory(): number {
  return process.memoryUsage.rss();
}

/** Available memory in bytes, including caches that the kernel could free. */
function available(root: string): number {
  try {
    const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(
      readFileSync(join(root, 'proc/meminfo'), 'utf8'),
    )?.[1];
    if (kibibytes) return Number(kibibytes) * 1024;
  } catch {
    // Not Linux.
  }
  return freemem();
}

/**
 * The machine's memory that this process may use, in bytes. `totalBytes` is the smaller of RAM and
 * the control group's limit, `availableBytes` is what is left of it, and `limited` says whether the
 * control group's limit is the smaller one.
 */
export function machineMemory(root = '/'): {
  totalBytes: number;
  availableBytes: number;
  limited: boolean;
} {
  const total = totalmem();
  const free = available(root);
  const group = cgroupMemory(root);
  if (!group || group.limitBytes >= total)
    return {totalBytes: total, availableBytes: free, limited: false};
  return {
    totalBytes: group.limitBytes,
    availableBytes: Math.min(free, Math.max(0, group.limitBytes - group.usedBytes)),
    limited: true,
  };
}
