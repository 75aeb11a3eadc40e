/**
 * How a callback gets the current weights while it runs. Its reads are synchronous, so it cannot
 * await a message: it raises a counter in shared memory and waits until rank 0 has answered there.
 * Ranks look at the counter while they wait for the callbacks.
 */
import {deserialize, serialize} from 'node:v8';
import {ManyHandsError} from '../base/errors';
import {
  attachRegion,
  canShareMemory,
  createRegion,
  type RegionHandle,
  type SharedRegion,
} from '../workers/sharedRegion';
import type {ModelState} from './protocol';

/** Words of the region: requests so far, answers so far, failures, and the bytes of the answer. */
const REQUESTED = 0;
const ANSWERED = 1;
const FAILED = 2;
const LENGTH = 3;
const HEADER_BYTES = 16;
const REGION_BYTES = 4096;
/** How often a rank looks at the counter. */
const POLL_MS = 2;
/** How long the caller sleeps between two looks at the answer. */
const SLEEP_MS = 0.2;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The caller's end. */
export class StateRequests {
  private constructor(private readonly region: SharedRegion) {}

  /** Returns null where processes cannot share memory: ranks then send their state unasked. */
  static create(): StateRequests | null {
    return canShareMemory() ? new StateRequests(createRegion(REGION_BYTES)) : null;
  }

  get handle(): RegionHandle {
    return this.region.handle;
  }

  /** Blocks until the ranks have sent their state. Throws TIMEOUT and WORKER. */
  fetch(timeoutMs: number): ModelState {
    const words = new Int32Array(this.region.buffer);
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    const request = Atomics.add(words, REQUESTED, 1) + 1;
    const until = performance.now() + timeoutMs;
    while (Atomics.load(words, ANSWERED) < request) {
      if (Atomics.load(words, FAILED) > 0)
        throw new ManyHandsError(
          'WORKER',
          'a worker could not send the weights that a callback reads.',
        );
      if (performance.now() > until)
        throw new ManyHandsError(
          'TIMEOUT',
          `the workers did not send the weights that a callback reads within timeoutMs ${timeoutMs}: read them in onEpochEnd, or set a larger timeoutMs.`,
        );
      Atomics.wait(sleeper, 0, 0, SLEEP_MS);
    }
    const letter = attachRegion(read(this.region.buffer, words[LENGTH]) as RegionHandle);
    try {
      return deserialize(Buffer.from(letter.buffer)) as ModelState;
    } finally {
      letter.unlink();
      letter.close();
    }
  }

  close(): void {
    this.region.close();
  }
}

function read(buffer: ArrayBuffer, length: number): unknown {
  return deserialize(Buffer.from(buffer, HEADER_BYTES, length));
}

/** A rank's end. */
export class StateServer {
  private readonly region: SharedRegion;
  private served = 0;
  /** The last answer of rank 0. */
  private letter: SharedRegion | null = null;

  constructor(handle: RegionHandle) {
    this.region = attachRegion(handle);
  }

  /**
   * Waits for the caller's `answer`, and calls `send` when a callback requests the state. All ranks
   * must call it together; rank 0's `send` returns the state.
   */
  async until<T>(answer: Promise<T>, send: () => Promise<ModelState | null>): Promise<T> {
    const words = new Int32Array(this.region.buffer);
    let isAnswered = false;
    const answered = answer.then(
      () => void (isAnswered = true),
      () => void (isAnswered = true),
    );
    while (!isAnswered) {
      await Promise.race([answered, sleep(POLL_MS)]);
      if (Atomics.load(words, REQUESTED) <= this.served) continue;
      this.served += 1;
      try {
        const state = await send();
        if (state) this.answer(words, state);
      } catch (error) {
        Atomics.store(words, FAILED, 1);
        throw error;
      }
    }
    return answer;
  }

  private answer(words: Int32Array, state: ModelState): void {
    const content = serialize(state);
    this.letter?.close();
    this.letter = createRegion(content.length);
    new Uint8Array(this.letter.buffer).set(content);
    const handle = serialize(this.letter.handle);
    new Uint8Array(this.region.buffer, HEADER_BYTES).set(handle);
    words[LENGTH] = handle.length;
    Atomics.store(words, ANSWERED, this.served);
  }

  close(): void {
    this.letter?.close();
    this.region.close();
  }
}
