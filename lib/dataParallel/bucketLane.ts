/**
 * Worker side. Where buckets are reduced: by a helper thread while backward goes on, or, where ranks share a process, by the rank itself.
 */
import {join} from 'node:path';
import {Worker} from 'node:worker_threads';
import type {SharedArrayHandle, SharedGroupHandle} from '../collectives/sharedMemory';
import type {Communicator, LedgerLine} from '../collectives/types';
import {endIfOrphan} from '../workers/orphan';
import {uncrossError, type CrossedError} from '../workers/protocol';
import type {Bucket} from './buckets';

export const GRADIENTS = 'gradients';

/** What becomes of a bucket: every rank gets the whole sum, or each its own part of it. */
export type LaneOperation = 'allReduce' | 'reduceScatter';

/** When a bucket was on its way: milliseconds of the machine's clock; seconds. */
export interface LaneSpan {
  bucket: number;
  startMs: number;
  wallSeconds: number;
  cpuSeconds: number;
}

export interface LaneReport {
  ledger: LedgerLine[];
  spans: LaneSpan[];
}

export interface BucketLane {
  /** The next bucket, in their order, is complete on this rank and may leave. */
  start(): void;
  /** Until every bucket that was started holds the sum over all ranks (its own part of it, where it is scattered). Throws what the collective threw. */
  wait(): Promise<void>;
  /** What was done since the lane was made; the lane is closed. */
  finish(): Promise<LaneReport>;
  /** Closed at once, whatever is on its way. */
  abandon(): Promise<void>;
}

/** Words of the control array between a rank and its helper thread. */
export const CONTROL = {started: 0, finished: 1, closing: 2, failed: 3, words: 4};

export interface ThreadData {
  group: SharedGroupHandle;
  rank: number;
  array: SharedArrayHandle;
  buckets: Array<Pick<Bucket, 'start' | 'end'>>;
  operation: LaneOperation;
  control: SharedArrayBuffer;
}

export type FromThread = {type: 'report'; report: LaneReport} | {type: 'failed'; error: CrossedError};

const SLICE_MS = 100;

/** A thread without an engine reduces each bucket as soon as it is started. */
export class ThreadLane implements BucketLane {
  private readonly control = new Int32Array(new SharedArrayBuffer(4 * CONTROL.words));
  private readonly thread: Worker;
  private readonly last: Promise<FromThread>;

  constructor(data: Omit<ThreadData, 'control'>) {
    const workerData: ThreadData = {...data, control: this.control.buffer as SharedArrayBuffer};
    this.thread = new Worker(join(__dirname, 'bucketThread.js'), {workerData});
    this.last = new Promise((resolve, reject) => {
      this.thread.once('message', resolve);
      this.thread.once('error', reject);
    });
    // A thread that fails to load must free the rank that waits for it.
    this.last.catch(() => this.set(CONTROL.failed));
    this.thread.unref();
  }

  private set(word: number): void {
    Atomics.add(this.control, word, 1);
    Atomics.notify(this.control, word);
  }

  start(): void {
    this.set(CONTROL.started);
  }

  async wait(): Promise<void> {
    for (;;) {
      const finished = Atomics.load(this.control, CONTROL.finished);
      if (Atomics.load(this.control, CONTROL.failed)) {
        const message = await this.last;
        if (message.type === 'failed') throw uncrossError(message.error, 'the thread that reduces gradients failed');
      }
      if (finished === Atomics.load(this.control, CONTROL.started)) return;
      Atomics.wait(this.control, CONTROL.finished, finished, SLICE_MS);
      endIfOrphan();
      // A thread that could not be loaded says so by an event.
      if (finished === Atomics.load(this.control, CONTROL.finished)) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async finish(): Promise<LaneReport> {
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

  async abandon(): Promise<void> {
    await this.thread.terminate();
  }
}

/** Ranks of one process share one thread: each bucket is reduced when it is started, between the others' steps. */
export class DirectLane implements BucketLane {
  private next = 0;
  private chain: Promise<void> = Promise.resolve();

  constructor(private readonly comm: Communicator, private readonly flat: Float32Array, private readonly buckets: Bucket[], private readonly operation: LaneOperation) {}

  start(): void {
    const {start, end} = this.buckets[this.next % this.buckets.length];
    this.next += 1;
    this.chain = this.chain.then(async () => void (await this.comm[this.operation](this.flat.subarray(start, end), {label: GRADIENTS})));
    // `wait` throws it; until then it must not end the process.
    this.chain.catch(() => {});
  }

  wait(): Promise<void> {
    return this.chain;
  }

  async finish(): Promise<LaneReport> {
    return {ledger: this.comm.ledger(), spans: []};
  }

  async abandon(): Promise<void> {}
}

