/**
 * The processor time of the current thread, and the clock of the machine.
 */
import {readFileSync} from 'node:fs';

type Usage = () => {user: number; system: number};

/**
 * Processor seconds since the start of the thread; null if the system does not report them (on
 * other systems than Linux, before Node 23.9).
 */
export function threadCpuSeconds(): number | null {
  const {threadCpuUsage} = process as {threadCpuUsage?: Usage};
  if (threadCpuUsage) {
    const {user, system} = threadCpuUsage();
    return (user + system) / 1e6;
  }
  try {
    // Linux, Documentation/scheduler/sched-stats.rst: nanoseconds on a processor, nanoseconds of
    // waiting for a processor, and the number of time slices.
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e9;
  } catch {
    return null;
  }
}

/** Milliseconds of the machine's monotonic clock, the same in every process and thread. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
