/**
 * Messages between two ranks: a ring of bytes for each ordered pair of ranks. The sender waits only
 * while the ring is full, the receiver only while it is empty.
 */
import {CHANNEL, type Layout} from './layout';
import type {Waiter, WaitLimits} from './waits';

interface Endpoint {
  readonly rank: number;
  readonly layout: Layout;
  readonly words: Int32Array;
  readonly region: {buffer: ArrayBuffer};
  fail(end: 'aborted' | 'timeout', waitedFor?: number): never;
}

const BOTH_WAYS_SLICE_MS = 1;
/**
 * A stage waits for the next stage about as long as that stage works. A core that slept so long is
 * cold, which made a pipeline of two stages a tenth slower.
 */
const SPIN_US = 20_000;

export class Channels {
  private readonly bytes: Uint8Array;

  constructor(
    private readonly endpoint: Endpoint,
    private readonly waiter: Waiter,
    private readonly limits: WaitLimits,
  ) {
    this.bytes = new Uint8Array(endpoint.region.buffer);
  }

  /**
   * Sends `out` to rank `to` and fills `into` from rank `from`, in whatever order the rings allow;
   * either array may be null.
   */
  move(out: Uint8Array | null, to: number, into: Uint8Array | null, from: number): void {
    const {rank, layout} = this.endpoint;
    const outHeader = out ? layout.channelAt(rank, to) / 4 : -1;
    const inHeader = into ? layout.channelAt(from, rank) / 4 : -1;
    let sent = 0;
    let received = 0;
    for (;;) {
      const before = sent + received;
      if (out) sent += this.write(out, sent, outHeader, layout.channelDataAt(rank, to));
      if (into) received += this.read(into, received, inHeader, layout.channelDataAt(from, rank));
      const sending = out !== null && sent < out.length;
      const receiving = into !== null && received < into.length;
      if (!sending && !receiving) return;
      if (sent + received > before) continue;
      const ready = () =>
        (sending && this.freeBytes(outHeader) > 0) || (receiving && this.filledBytes(inHeader) > 0);
      const timing = {
        spinUs: SPIN_US,
        ...(sending && receiving ? {sliceMs: BOTH_WAYS_SLICE_MS} : {}),
      };
      const [word, sleepers] = receiving
        ? [inHeader + CHANNEL.written, inHeader + CHANNEL.writtenSleepers]
        : [outHeader + CHANNEL.read, outHeader + CHANNEL.readSleepers];
      const end = this.waiter.wait(word, sleepers, ready, this.limits, timing);
      if (end !== 'changed') this.endpoint.fail(end, receiving ? from : to);
    }
  }

  /** Bytes that the receiver can read. */
  private filledBytes(header: number): number {
    const {words} = this.endpoint;
    return (Atomics.load(words, header + CHANNEL.written) - words[header + CHANNEL.read]) | 0;
  }

  /** Bytes that the sender can write. */
  private freeBytes(header: number): number {
    const {words, layout} = this.endpoint;
    const filled = words[header + CHANNEL.written] - Atomics.load(words, header + CHANNEL.read);
    return layout.channelBytes - (filled | 0);
  }

  /** Writes from `out[sent]` on as much as fits; returns how many bytes. */
  private write(out: Uint8Array, sent: number, header: number, data: number): number {
    const count = Math.min(this.freeBytes(header), out.length - sent);
    if (count === 0) return 0;
    const {words, layout} = this.endpoint;
    const start = (words[header + CHANNEL.written] >>> 0) % layout.channelBytes;
    const beforeWrap = Math.min(count, layout.channelBytes - start);
    this.bytes.set(out.subarray(sent, sent + beforeWrap), data + start);
    this.bytes.set(out.subarray(sent + beforeWrap, sent + count), data);
    Atomics.add(words, header + CHANNEL.written, count);
    this.waiter.wake(header + CHANNEL.written, header + CHANNEL.writtenSleepers);
    return count;
  }

  /** Reads into `into[received]` and on as much as there is; returns how many bytes. */
  private read(into: Uint8Array, received: number, header: number, data: number): number {
    const count = Math.min(this.filledBytes(header), into.length - received);
    if (count === 0) return 0;
    const {words, layout} = this.endpoint;
    const start = (words[header + CHANNEL.read] >>> 0) % layout.channelBytes;
    const beforeWrap = Math.min(count, layout.channelBytes - start);
    into.set(this.bytes.subarray(data + start, data + start + beforeWrap), received);
    into.set(this.bytes.subarray(data, data + count - beforeWrap), received + beforeWrap);
    Atomics.add(words, header + CHANNEL.read, count);
    this.waiter.wake(header + CHANNEL.read, header + CHANNEL.readSleepers);
    return count;
  }
}
