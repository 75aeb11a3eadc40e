/**
 * A communication stream on a helper thread, which has no engine and executes each op as soon as it
 * is started.
 */
import {ManyHandsError} from '../base/errors';
import {
  sharedArrayHandles,
  type SharedArrayHandle,
  type SharedGroupHandle,
} from '../collectives/sharedMemory';
import {endIfOrphan} from '../workers/orphan';
import {uncrossError} from '../workers/protocol';
import {addressOf, attachRegion, type SharedRegion} from '../workers/sharedRegion';
import type {CommReport, CommStream} from './commStream';
import type {CommWork} from './commWork';
import {HelperThread} from './helperThread';
import {CONTROL, RING, type FromThread, type WorkHandle} from './threadProtocol';

const SLICE_MS = 100;

function handleOf(work: CommWork): WorkHandle {
  const handle = (array: Float32Array): SharedArrayHandle => {
    const arrayHandle = sharedArrayHandles(array);
    if (!arrayHandle)
      throw new ManyHandsError(
        'INTERNAL',
        'internal: an array of a communication stream is not in shared memory.',
      );
    return arrayHandle;
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
    shards: {address: addressOf(work.shards), length: work.shards.length},
    units: work.units,
  };
}

export class ThreadCommStream implements CommStream {
  private readonly thread: HelperThread;
  private readonly control: Int32Array;
  /**
   * This process maps the group's memory, so it can unmap it even after the thread was terminated.
   */
  private readonly region: SharedRegion;
  private readonly answer: Promise<FromThread>;
  private closed = false;

  /**
   * `worldRanks` holds the rank in the whole run of each rank of the group. The stream keeps
   * `work`, because the thread knows its arrays only by address. `traced`: whether a span is
   * recorded for each op, which a long run keeps until its end.
   */
  constructor(
    group: SharedGroupHandle,
    rank: number,
    worldRanks: number[],
    readonly work: CommWork,
    traced: boolean,
  ) {
    const workHandle = handleOf(work);
    this.region = attachRegion(group.region);
    this.thread = HelperThread.take();
    this.control = this.thread.control;
    this.answer = this.thread.run({
      group,
      groupAddress: this.region.address!,
      rank,
      worldRanks,
      work: workHandle,
      traced,
    });
  }

  /** Node's number of the helper thread. */
  get threadId(): number {
    return this.thread.id;
  }

  start(op: number, step: number): number {
    const count = Atomics.load(this.control, CONTROL.started);
    const entry = CONTROL.ring + 2 * (count % RING);
    this.control[entry] = op;
    this.control[entry + 1] = step;
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
      if (Atomics.load(this.control, CONTROL.failed)) await this.throwFailure();
      Atomics.wait(this.control, CONTROL.finished, finished, SLICE_MS);
      endIfOrphan();
      // The failure of a thread that cannot load arrives as an event.
      if (finished === Atomics.load(this.control, CONTROL.finished))
        await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private async throwFailure(): Promise<never> {
    const answer = await this.answer;
    if (answer.type === 'failed')
      throw uncrossError(answer.error, 'the helper thread of a rank failed');
    throw new ManyHandsError(
      'INTERNAL',
      'internal: a communication stream ended before its operations.',
    );
  }

  async finish(): Promise<CommReport> {
    // The thread sleeps on `started`, so this notification wakes it.
    Atomics.store(this.control, CONTROL.closing, 1);
    Atomics.notify(this.control, CONTROL.started);
    this.thread.hold(true);
    try {
      const answer = await this.answer;
      if (answer.type === 'report') {
        this.close();
        return answer.report;
      }
      return {ledger: [], spans: []};
    } finally {
      await this.abort();
    }
  }

  /** The thread has finished its run: it is free for another stream. */
  private close(): void {
    this.closed = true;
    this.region.close();
    this.thread.release();
  }

  async abort(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.thread.terminate();
    this.region.close();
  }
}
