/**
 * A lane carries out collectives beside the rank's own walk: a helper thread while
 * layers compute, or, where ranks share a process, the rank itself between them.
 */
import {join} from 'node:path';
import {Worker} from 'node:worker_threads';
import {
  sharedArrayHandles,
  type SharedArrayHandle,
  type SharedGroupHandle,
} from '../collectives/sharedMemory';
import {ManyHandsError} from '../base/errors';
import type {Communicator, LedgerLine} from '../collectives/types';
import {endIfOrphan} from '../workers/orphan';
import {uncrossError, type CrossedError} from '../workers/protocol';
import {execute, type CommWork} from './commWork';

/** When an order was carried out: milliseconds of the machine's clock; seconds. */
export interface CommSpan {
  name: string;
  step: number;
  startMs: number;
  wallSeconds: number;
  cpuSeconds: number;
}

export interface CommReport {
  ledger: LedgerLine[];
  spans: CommSpan[];
}

export interface CommStream {
  /**
   * Orders are carried out one after another, in the same sequence on every rank. Returns how many
   * were given so far.
   */
  start(order: number, step: number): number;
  /** Whether the first `count` orders are done. */
  isComplete(count: number): boolean;
  /**
   * Until the first `count` orders are done; all of them without it. Throws what the collective
   * threw.
   */
  wait(count?: number): Promise<void>;
  /** What was done since the lane was made; the lane is closed. */
  finish(): Promise<CommReport>;
  /** Closed at once, whatever is on its way. */
  abort(): Promise<void>;
}

/**
 * Words of the control array between a rank and its helper thread; the ring of orders follows:
 * order and step of each.
 */
export const CONTROL = {started: 0, finished: 1, closing: 2, failed: 3, ring: 4};
/** Orders that may be under way at once. */
export const RING = 4096;

/**
 * Work as it crosses to the thread: arrays of the group by their handles, the rank's own as memory
 * that both threads share.
 */
export type WorkHandle =
  | {
      kind: 'reduce';
      flat: SharedArrayHandle;
      buckets: Array<{start: number; end: number}>;
      operation: 'allReduce' | 'reduceScatter';
    }
  | {
      kind: 'gather' | 'scatter';
      buffers: SharedArrayHandle[];
      shards: Float32Array;
      units: Array<{name: string; length: number; shard: number}>;
    };

export interface ThreadData {
  group: SharedGroupHandle;
  rank: number;
  /** The group's ranks as the team knows them, for messages. */
  worldRanks: number[];
  work: WorkHandle;
  control: SharedArrayBuffer;
}

export type FromThread =
  | {type: 'report'; report: CommReport}
  | {type: 'failed'; error: CrossedError};

const SLICE_MS = 100;

function handleOf(work: CommWork): WorkHandle {
  const handle = (array: Float32Array) => {
    const found = sharedArrayHandles(array);
    if (!found)
      throw new ManyHandsError('INTERNAL', 'internal: an array of a lane is not in shared memory.');
    return found;
  };
  if (work.kind === 'reduce')
    return {
      kind: 'reduce',
      flat: handle(work.flat),
      buckets: work.buckets.map(({start, end}) => ({start, end})),
      operation: work.operation,
    };
  return {
    kind: work.kind,
    buffers: work.buffers.map(handle),
    shards: work.shards,
    units: work.units,
  };
}

/** A thread without an engine carries out each order as soon as it is given. */
export class ThreadCommStream implements CommStream {
  private readonly control = new Int32Array(new SharedArrayBuffer(4 * (CONTROL.ring + 2 * RING)));
  private readonly thread: Worker;
  private readonly last: Promise<FromThread>;

  constructor(group: SharedGroupHandle, rank: number, worldRanks: number[], work: CommWork) {
    const workerData: ThreadData = {
      group,
      rank,
      worldRanks,
      work: handleOf(work),
      control: this.control.buffer as SharedArrayBuffer,
    };
    this.thread = new Worker(join(__dirname, 'commThread.js'), {workerData});
    this.last = new Promise((resolve, reject) => {
      this.thread.once('message', resolve);
      this.thread.once('error', reject);
    });
    // A thread that fails to load must free the rank that waits for it.
    this.last.catch(() => {
      Atomics.store(this.control, CONTROL.failed, 1);
      Atomics.notify(this.control, CONTROL.finished);
    });
    this.thread.unref();
  }

  start(order: number, step: number): number {
    const count = Atomics.load(this.control, CONTROL.started);
    const at = CONTROL.ring + 2 * (count % RING);
    this.control[at] = order;
    this.control[at + 1] = step;
    Atomics.store(this.control, CONTROL.started, count + 1);
    Atomics.notify(this.control, CONTROL.started);
    return count + 1;
  }

  isComplete(count: number): boolean {
    return Atomics.load(this.control, CONTROL.finished) >= count;
  }

  async wait(count = Atomics.load(this.control, CONTROL.started)): Promise<void> {
    for (;;) {
      const finished = Atomics.load(this.control, CONTROL.finished);
      if (finished >= count) return;
      if (Atomics.load(this.control, CONTROL.failed)) {
        const message = await this.last;
        if (message.type === 'failed')
          throw uncrossError(message.error, 'the helper thread of a rank failed');
        throw new ManyHandsError('INTERNAL', 'internal: a lane ended before its orders.');
      }
      Atomics.wait(this.control, CONTROL.finished, finished, SLICE_MS);
      endIfOrphan();
      // A thread that could not be loaded says so by an event.
      if (finished === Atomics.load(this.control, CONTROL.finished))
        await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async finish(): Promise<CommReport> {
    // The thread waits on `started`, so both words wake it.
    Atomics.store(this.control, CONTROL.closing, 1);
    Atomics.notify(this.control, CONTROL.started);
    this.thread.ref();
    try {
      const message = await this.last;
      return message.type === 'report' ? message.report : {ledger: [], spans: []};
    } finally {
      await this.thread.terminate();
    }
  }

  async abort(): Promise<void> {
    await this.thread.terminate();
  }
}

/**
 * Ranks of one process share one thread: each order is carried out when it is given, between the
 * others' steps.
 */
export class InlineCommStream implements CommStream {
  private started = 0;
  private readonly done: Array<Promise<void>> = [Promise.resolve()];

  constructor(
    private readonly comm: Communicator,
    private readonly work: CommWork,
  ) {}

  start(order: number): number {
    const before = this.done[this.started];
    const done = before.then(() => execute(this.work, order, this.comm));
    // `wait` throws it; until then it must not end the process.
    done.catch(() => {});
    this.started += 1;
    this.done[this.started] = done;
    // Only the latest are waited for.
    delete this.done[this.started - RING];
    return this.started;
  }

  isComplete(): boolean {
    return false;
  }

  async wait(count = this.started): Promise<void> {
    await this.done[count];
  }

  async finish(): Promise<CommReport> {
    return {ledger: this.comm.ledger(), spans: []};
  }

  async abort(): Promise<void> {}
}
