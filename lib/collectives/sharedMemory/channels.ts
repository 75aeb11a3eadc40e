/**
 * Messages from one rank to another: a ring of bytes for each ordered pair, written
 * and read by halves that never wait for each other longer than the ring is full or empty.
 */
import {CHANNEL, type Layout} from './layout';
import type {Waiter, WaitLimits} from './waits';

interface Owner {
  readonly rank: number;
  readonly layout: Layout;
  readonly words: Int32Array;
  readonly region: {buffer: ArrayBuffer};
  fail(end: 'aborted' | 'timeout', waitedFor?: number): never;
}

const BOTH_WAYS_SLICE_MS = 1;
/**
 * A stage waits for the next one about as long as that works: a core that slept so long is cold,
 * and made a pipeline of two stages a tenth slower.
 */
const SPIN_US = 20_000;

export class Channels {
  private readonly bytes: Uint8Array;

  constructor(
    private readonly owner: Owner,
    private readonly waiter: Waiter,
    private readonly limits: WaitLimits,
  ) {
    this.bytes = new Uint8Array(owner.region.buffer);
  }

  /** Sends `out` and fills `into`, as far as each is given, in whatever order the rings allow. */
  move(out: Uint8Array | null, to: number, into: Uint8Array | null, from: number): void {
    const {rank, layout} = this.owner;
    const outAt = out ? layout.channelAt(rank, to) / 4 : -1;
    const inAt = into ? layout.channelAt(from, rank) / 4 : -1;
    let sent = 0;
    let got = 0;
    for (;;) {
      const before = sent + got;
      if (out) sent += this.write(out, sent, outAt, layout.channelDataAt(rank, to));
      if (into) got += this.read(into, got, inAt, layout.channelDataAt(from, rank));
      const sending = out !== null && sent < out.length;
      const receiving = into !== null && got < into.length;
      if (!sending && !receiving) return;
      if (sent + got > before) continue;
      const room = () => sending && this.room(outAt) > 0;
      const there = () => receiving && this.there(inAt) > 0;
      const ready = () => room() || there();
      const how = {spinUs: SPIN_US, ...(sending && receiving ? {sliceMs: BOTH_WAYS_SLICE_MS} : {})};
      const end = receiving
        ? this.waiter.wait(
            inAt + CHANNEL.written,
            inAt + CHANNEL.writtenSleepers,
            ready,
            this.limits,
            how,
          )
        : this.waiter.wait(
            outAt + CHANNEL.read,
            outAt + CHANNEL.readSleepers,
            ready,
            this.limits,
            how,
          );
      if (end !== 'changed') this.owner.fail(end, receiving ? from : to);
    }
  }

  private there(at: number): number {
    const {words} = this.owner;
    return (Atomics.load(words, at + CHANNEL.written) - words[at + CHANNEL.read]) | 0;
  }

  private room(at: number): number {
    const {words, layout} = this.owner;
    return (
      layout.channelBytes -
      ((words[at + CHANNEL.written] - Atomics.load(words, at + CHANNEL.read)) | 0)
    );
  }

  private write(out: Uint8Array, from: number, at: number, data: number): number {
    const count = Math.min(this.room(at), out.length - from);
    if (count === 0) return 0;
    const {words, layout} = this.owner;
    const start = (words[at + CHANNEL.written] >>> 0) % layout.channelBytes;
    const first = Math.min(count, layout.channelBytes - start);
    this.bytes.set(out.subarray(from, from + first), data + start);
    this.bytes.set(out.subarray(from + first, from + count), data);
    Atomics.add(words, at + CHANNEL.written, count);
    this.waiter.wake(at + CHANNEL.written, at + CHANNEL.writtenSleepers);
    return count;
  }

  private read(into: Uint8Array, from: number, at: number, data: number): number {
    const count = Math.min(this.there(at), into.length - from);
    if (count === 0) return 0;
    const {words, layout} = this.owner;
    const start = (words[at + CHANNEL.read] >>> 0) % layout.channelBytes;
    const first = Math.min(count, layout.channelBytes - start);
    into.set(this.bytes.subarray(data + start, data + start + first), from);
    into.set(this.bytes.subarray(data, data + count - first), from + first);
    Atomics.add(words, at + CHANNEL.read, count);
    this.waiter.wake(at + CHANNEL.read, at + CHANNEL.readSleepers);
    return count;
  }
}
