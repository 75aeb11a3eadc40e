/**
 * What the machine and this process have of memory, within the control group's limit.
 */
import {readFileSync} from 'node:fs';
import {freemem, totalmem} from 'node:os';
import {join} from 'node:path';
import {cgroupMemory} from '../base/cgroup';

/**
 * Memory that this process holds in RAM, in bytes: tensors, kernel scratch, libraries, JavaScript,
 * all of it.
 */
export function processMemory(): number {
  return process.memoryUsage.rss();
}

/** Memory that the kernel could give, counting what its caches would hand back. */
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
 * The machine's memory as far as this process may use it, in bytes: `totalBytes` is the least of
 * RAM and the control group's limit, `availableBytes` what is left of it now; `limited` is true
 * where the control group's limit is the smaller.
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
