/**
 * Waiting for a word of shared memory to change: a short spin, then a sleep on a futex. Every wake
 * checks a deadline and an abort flag.
 */
import {physicalCores} from '../../base/cgroup';
import {machineMs} from '../../trace/threadTime';
import {namedMemory} from '../../workers/libc';
import {endIfOrphan} from '../../workers/orphan';

const SPIN_US = 50;
const SLICE_MS = 100;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const EVERYONE = 0x7fffffff;
const SYS_FUTEX: Record<string, number> = {x64: 202, arm64: 98};

type Futex = (
  number: number,
  address: bigint,
  operation: number,
  value: number,
  timeout: BigInt64Array | null,
  second: null,
  third: number,
) => number;
type Sleep = (microseconds: number) => number;

interface System {
  futex: Futex | null;
  usleep: Sleep;
}

let system: System | null = null;

function load(): System {
  if (system) return system;
  const koffi = require('koffi') as typeof import('koffi', { with: {'resolution-mode': 'import'}});
  const c = koffi.load(null);
  const futex =
    !namedMemory() && process.arch in SYS_FUTEX
      ? (c.func(
          'long syscall(long number, void *address, int operation, int value, void *timeout, void *second, int third)',
        ) as Futex)
      : null;
  system = {futex, usleep: c.func('int usleep(unsigned int microseconds)') as Sleep};
  return system;
}

/** What can end a wait before its word changes. */
export interface WaitLimits {
  aborted(): boolean;
  timeoutMs: number;
}

export type WaitEnd = 'changed' | 'aborted' | 'timeout';

/** Waits on Int32 words of one mapped region. */
export class Waiter {
  private readonly spins: boolean;
  private readonly timeout = new BigInt64Array(2);

  constructor(
    private readonly words: Int32Array,
    private readonly address: bigint,
    ranks: number,
  ) {
    // With more ranks than cores, a spinning rank would take the core of the rank that it waits
    // for. Helper threads are not counted: they mostly wait for longer than they spin.
    this.spins = ranks <= physicalCores();
  }

  /** Wakes all ranks that sleep on `word`; `sleepers` is the word that counts them. */
  wake(word: number, sleepers: number): void {
    if (Atomics.load(this.words, sleepers) === 0) return;
    const {futex} = load();
    futex?.(
      SYS_FUTEX[process.arch],
      this.address + BigInt(4 * word),
      FUTEX_WAKE,
      EVERYONE,
      null,
      null,
      0,
    );
  }

  /**
   * Waits until `ready` holds, which may change only when `word` changes. `sliceMs` is the longest
   * sleep, for callers whose `ready` also depends on something else. `spinUs` is the longest spin
   * before the first sleep, if each rank has a core.
   */
  wait(
    word: number,
    sleepers: number,
    ready: () => boolean,
    limits: WaitLimits,
    {sliceMs = SLICE_MS, spinUs = SPIN_US}: {sliceMs?: number; spinUs?: number} = {},
  ): WaitEnd {
    if (ready()) return 'changed';
    if (this.spins) {
      const until = machineMs() + spinUs / 1000;
      // Reading the clock costs more than reading the word.
      do for (let i = 0; i < 32; i++) if (ready()) return 'changed';
      while (machineMs() < until);
    }
    let waitedMs = 0;
    for (;;) {
      if (limits.aborted()) return 'aborted';
      endIfOrphan();
      if (waitedMs >= limits.timeoutMs) return 'timeout';
      const value = Atomics.load(this.words, word);
      const before = machineMs();
      Atomics.add(this.words, sleepers, 1);
      if (!ready() && !limits.aborted()) this.sleep(word, value, sliceMs);
      Atomics.sub(this.words, sleepers, 1);
      if (ready()) return 'changed';
      // If the machine was suspended or all processes were stopped, that time must not count.
      waitedMs += Math.min(machineMs() - before, 2 * sliceMs);
    }
  }

  private sleep(word: number, value: number, sliceMs: number): void {
    const {futex, usleep} = load();
    if (!futex) {
      usleep(100);
      return;
    }
    this.timeout[1] = BigInt(Math.round(sliceMs * 1e6));
    futex(
      SYS_FUTEX[process.arch],
      this.address + BigInt(4 * word),
      FUTEX_WAIT,
      value,
      this.timeout,
      null,
      0,
    );
  }
}
