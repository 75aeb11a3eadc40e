/**
 * Processor time of the thread that asks, where the system tells it.
 */
import {readFileSync} from 'node:fs';

type Usage = () => {user: number; system: number};

/**
 * Seconds on a processor since the thread began; null where nothing tells it (Node before 23.9
 * elsewhere than on Linux).
 */
export function threadCpuSeconds(): number | null {
  const {threadCpuUsage} = process as {threadCpuUsage?: Usage};
  if (threadCpuUsage) {
    const {user, system} = threadCpuUsage();
    return (user + system) / 1e6;
  }
  try {
    // Linux, Documentation/scheduler/sched-stats.rst: nanoseconds on a processor, waiting for one,
    // and how often.
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e9;
  } catch {
    return null;
  }
}

/** Milliseconds of the machine's monotonic clock, the same in every process and thread. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
