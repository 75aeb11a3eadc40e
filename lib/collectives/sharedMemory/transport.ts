/**
 * One rank's end of a shared-memory group: agreement, messages, and arrays that all ranks map.
 */
import {ManyHandsError} from '../../base/errors';
import {machineMs} from '../../trace/threadTime';
import {attachRegion, type SharedRegion} from '../../workers/sharedRegion';
import type {CallDescriptor, Numbers, NumberType, SharedOperations, Transport} from '../types';
import {agreementError, sameCall, writeDescriptor} from './agreement';
import {Channels} from './channels';
import {callWords, FlightRecorder} from './flight';
import {createSharedGroup, type SharedGroup, type SharedGroupHandle} from './group';
import {InlineViews, travelsInline} from './inline';
import {HEADER, layoutOf, RANK, type Layout} from './layout';
import {sharedOperations} from './operations';
import type {Rendezvous} from './rendezvous';
import {
  allocationOf,
  emptyHandleMessage,
  handleMessage,
  readHandle,
  SharedArrays,
  type SharedArrayHandle,
} from './sharedArrays';
import {Waiter, type WaitLimits} from './waits';

const range = (size: number): number[] => Array.from({length: size}, (_, i) => i);

export class SharedTransport implements Transport, Rendezvous {
  readonly kind = 'sharedMemory';
  readonly size: number;
  readonly layout: Layout;
  readonly region: SharedRegion;
  readonly words: Int32Array;
  readonly shared: SharedOperations;
  /** The call or message that this rank is in; a timeout names it. */
  call: CallDescriptor | null = null;
  private readonly waiter: Waiter;
  private readonly limits: WaitLimits;
  private readonly recorder: FlightRecorder;
  private readonly channels: Channels;
  private readonly arrays: SharedArrays;
  private readonly subgroups: Array<SharedGroup | SharedTransport> = [];
  private arrivals = 0;
  private agreements = 0;
  private parent: SharedTransport | null = null;
  /** Every rank's numbers of the current call, if they travelled with the agreement. */
  inlined: Numbers[] | null = null;
  private readonly inlineViews: InlineViews;
  /** Whether all ranks' arrays of the current call are at one position of one allocation. */
  private direct = false;

  constructor(
    handle: SharedGroupHandle,
    readonly rank: number,
    private readonly worldRanks: number[] = range(handle.size),
    mapped?: SharedRegion,
  ) {
    this.size = handle.size;
    if (!Number.isInteger(rank) || rank < 0 || rank >= handle.size)
      throw new ManyHandsError('BAD_OPTION', `rank ${rank} is not in a group of ${handle.size}.`);
    this.layout = layoutOf(handle.size, handle.channelBytes);
    this.region = mapped ?? attachRegion(handle.region);
    this.words = new Int32Array(this.region.buffer);
    this.waiter = new Waiter(this.words, this.region.address!, handle.size);
    this.limits = {aborted: () => this.aborted(), timeoutMs: handle.timeoutMs};
    this.recorder = new FlightRecorder(this.region.buffer, this.layout, rank);
    this.channels = new Channels(this, this.waiter, this.limits);
    this.arrays = new SharedArrays(this);
    this.inlineViews = new InlineViews(this.region.buffer, this.layout);
    this.shared = sharedOperations(this);
  }

  /** A rank's number in the whole run, for messages. */
  private world(rank: number): number {
    return this.worldRanks[rank];
  }

  /** The first word of a rank's block. */
  private blockOf(rank: number): number {
    return this.layout.rankAt(rank) / 4;
  }

  /** Arrives at the next meeting point and waits for all other ranks. */
  meet(): void {
    this.arrivals = (this.arrivals + 1) | 0;
    const block = this.blockOf(this.rank);
    Atomics.store(this.words, block + RANK.posted, this.arrivals);
    this.waiter.wake(block + RANK.posted, block + RANK.sleepers);
    for (let other = 0; other < this.size; other++) {
      if (other === this.rank) continue;
      const otherBlock = this.blockOf(other);
      const end = this.waiter.wait(
        otherBlock + RANK.posted,
        otherBlock + RANK.sleepers,
        () => this.hasArrived(other),
        this.limits,
      );
      if (end !== 'changed') this.fail(end);
    }
  }

  /** Whether a rank has come to the meeting point at which this rank waits. */
  private hasArrived(rank: number): boolean {
    return ((Atomics.load(this.words, this.blockOf(rank) + RANK.posted) - this.arrivals) | 0) >= 0;
  }

  /** An abort of the parent group also ends the waits of a subgroup. */
  private aborted(): boolean {
    return Atomics.load(this.words, HEADER.abort) !== 0 || (this.parent?.aborted() ?? false);
  }

  private abortReason(): string {
    if (this.parent && Atomics.load(this.words, HEADER.abort) === 0)
      return this.parent.abortReason();
    return new TextDecoder().decode(
      new Uint8Array(this.region.buffer, HEADER.reasonAt, this.words[HEADER.reasonBytes]).slice(),
    );
  }

  /** Throws why a wait ended. */
  fail(end: 'aborted' | 'timeout', waitedFor?: number): never {
    const call = this.call ? callWords(this.call) : 'its start';
    if (end === 'aborted') {
      throw new ManyHandsError(
        'ABORTED',
        `rank ${this.world(this.rank)} stopped in ${call}: ${this.abortReason()}.`,
      );
    }
    const missing =
      waitedFor === undefined
        ? range(this.size).filter((rank) => !this.hasArrived(rank))
        : [waitedFor];
    const where = missing.map((rank) => {
      const last = new FlightRecorder(this.region.buffer, this.layout, rank).read().at(-1);
      return `rank ${this.world(rank)} (last seen: ${last ? `${callWords(last)}, ${last.state}` : 'no call yet'})`;
    });
    throw new ManyHandsError(
      'TIMEOUT',
      `rank ${this.world(this.rank)} waited ${this.limits.timeoutMs / 1000} s in ${call} for ${where.join(' and ')}. Look for the cause: an endless loop, or a call that only some ranks make. Raise timeoutMs if a step may take longer.`,
    );
  }

  agree(call: CallDescriptor, array?: Numbers): void {
    this.begin(call);
    const allocation = array && allocationOf(array);
    const parity = this.agreements & 1;
    this.agreements += 1;
    const offsetOf = (rank: number) =>
      this.blockOf(rank) + RANK.descriptors + parity * RANK.descriptorWords;
    writeDescriptor(
      call,
      allocation?.id ?? 0,
      array && allocation ? array.byteOffset / 4 : 0,
      this.words,
      offsetOf(this.rank),
    );
    this.inlined = array && travelsInline(call) ? this.inlineViews.views(array, parity) : null;
    this.inlined?.[this.rank].set(array!);
    this.meet();
    this.direct = allocation !== undefined;
    for (let rank = 0; rank < this.size; rank++) {
      if (rank === this.rank) continue;
      const agreed = sameCall(this.words, offsetOf(this.rank), offsetOf(rank));
      if (agreed === 'otherPlace') this.direct = false;
      else if (agreed === 'other')
        throw agreementError(this.words, offsetOf, this.rank, this.worldRanks);
    }
  }

  begin(call: CallDescriptor): void {
    this.call = call;
    this.recorder.start(call, machineMs());
  }

  finish(): void {
    this.recorder.finish(machineMs());
  }

  mirrors<T extends Numbers>(array: T): T[] | null {
    const allocation = this.direct ? allocationOf(array) : undefined;
    if (!allocation) return null;
    const type = array.constructor as new (
      buffer: ArrayBuffer,
      offset: number,
      length: number,
    ) => T;
    return allocation.buffers.map((buffer, rank) =>
      rank === this.rank ? array : new type(buffer, array.byteOffset, array.length),
    );
  }

  /** The memory that carries this rank's messages to another rank. */
  channelTo(to: number): Uint8Array {
    return new Uint8Array(
      this.region.buffer,
      this.layout.channelDataAt(this.rank, to),
      this.layout.channelBytes,
    );
  }

  async send(bytes: Uint8Array, to: number): Promise<void> {
    this.channels.move(bytes, to, null, -1);
  }

  async recv(bytes: Uint8Array, from: number): Promise<void> {
    this.channels.move(null, -1, bytes, from);
  }

  async exchange(out: Uint8Array, to: number, into: Uint8Array, from: number): Promise<void> {
    this.channels.move(out, to, into, from);
  }

  async allocate(length: number, type: NumberType): Promise<Numbers> {
    return this.arrays.allocate(length, type);
  }

  /** An array that another transport of this process allocated, seen by this one. */
  adopt(handle: SharedArrayHandle): Numbers {
    return this.arrays.adopt(handle);
  }

  async group(ranks: number[]): Promise<Transport> {
    const [first] = ranks;
    const created =
      first === this.rank
        ? createSharedGroup(ranks.length, {timeoutMs: this.limits.timeoutMs})
        : null;
    const joined = new SharedTransport(
      await this.shareHandle(created?.handle ?? null, ranks),
      ranks.indexOf(this.rank),
      ranks.map((rank) => this.world(rank)),
    );
    joined.parent = this;
    this.subgroups.push(...(created ? [created] : []), joined);
    joined.meet();
    created?.unlink();
    return joined;
  }

  /**
   * Passes a new group's handle from its first rank to the others, by messages: the other ranks of
   * this group do not take part, so there can be no meeting.
   */
  private async shareHandle(
    created: SharedGroupHandle | null,
    [first, ...others]: number[],
  ): Promise<SharedGroupHandle> {
    if (created) {
      for (const rank of others) await this.send(handleMessage(created), rank);
      return created;
    }
    const message = emptyHandleMessage();
    await this.recv(message, first);
    return readHandle<SharedGroupHandle>(message);
  }

  close(): void {
    for (const group of this.subgroups.splice(0)) group.close();
    this.arrays.close();
    this.region.close();
  }
}

/**
 * Joins a group as `rank`. `worldRanks` holds the rank in the whole run of each rank of the group,
 * for messages; `mapped` is the group's memory if this process has mapped it already.
 */
export function joinSharedGroup(
  handle: SharedGroupHandle,
  rank: number,
  worldRanks?: number[],
  mapped?: SharedRegion,
): SharedTransport {
  return new SharedTransport(handle, rank, worldRanks, mapped);
}

/**
 * The memory of another thread's array, for the collectives of `transport`. The other thread must
 * keep the array open, and all ranks must adopt their arrays in the same order.
 */
export function adoptArray(transport: Transport, handle: SharedArrayHandle): Numbers {
  if (!(transport instanceof SharedTransport))
    throw new ManyHandsError('INTERNAL', 'internal: only a shared-memory transport adopts arrays.');
  return transport.adopt(handle);
}
