/**
 * One rank's end of a shared-memory group: agreement, messages, and arrays that all
 * ranks map.
 */
import {ManyHandsError} from '../../base/errors';
import {machineMs} from '../../trace/threadTime';
import {
  attachRegion,
  createRegion,
  viewMapped,
  type RegionHandle,
  type SharedRegion,
} from '../../workers/sharedRegion';
import type {CallDescriptor, Numbers, NumberType, SharedOperations, Transport} from '../types';
import {Channels} from './channels';
import {agreementError, descriptorWords, sameCall} from './agreement';
import {callWords, FlightRecorder} from './flight';
import {createSharedGroup, type SharedGroup, type SharedGroupHandle} from './group';
import {INLINE_ELEMENTS} from '../ledger';
import {HEADER, layoutOf, RANK, type Layout} from './layout';
import {sharedOperations} from './operations';
import {Waiter, type WaitLimits} from './waits';

/**
 * An array of every rank's, as another thread of this process finds it: where each rank's is mapped
 * here.
 */
export interface SharedArrayHandle {
  addresses: bigint[];
  length: number;
  type: NumberType;
}

/** The buffers of one allocation, by rank. */
export interface Allocation {
  id: number;
  buffers: ArrayBuffer[];
  handle: SharedArrayHandle;
}

const range = (size: number): number[] => Array.from({length: size}, (_, i) => i);
const arrayOf = (buffer: ArrayBuffer, type: NumberType): Numbers =>
  type === 'float32' ? new Float32Array(buffer) : new Int32Array(buffer);
const allocated = new WeakMap<ArrayBuffer, Allocation>();

/** The handle of an array that a transport of this process allocated; null for any other. */
export function sharedArrayHandles(array: Numbers): SharedArrayHandle | null {
  return allocated.get(array.buffer as ArrayBuffer)?.handle ?? null;
}

/**
 * Short arrays are not worth a second meeting of all ranks: each adds up all of them for itself.
 */
const travelsInline = ({operation, algorithm, length}: CallDescriptor) =>
  operation === 'allReduce' && algorithm === 'shared' && length <= INLINE_ELEMENTS;

export class SharedTransport implements Transport {
  readonly kind = 'sharedMemory';
  readonly size: number;
  readonly layout: Layout;
  readonly region: SharedRegion;
  readonly words: Int32Array;
  readonly shared: SharedOperations;
  /** The call or message that this rank is in; what a timeout names. */
  call: CallDescriptor | null = null;
  private readonly waiter: Waiter;
  private readonly limits: WaitLimits;
  private readonly recorder: FlightRecorder;
  private readonly channels: Channels;
  private readonly regions: SharedRegion[] = [];
  private readonly subgroups: Array<SharedGroup | SharedTransport> = [];
  private arrivals = 0;
  private agreements = 0;
  private parent: SharedTransport | null = null;
  private allocations = 0;
  /** Every rank's numbers of the call that is under way, where they came with the agreement. */
  inlined: Numbers[] | null = null;
  private readonly inlineCache: Array<{type: unknown; length: number; views: Numbers[]}> = [];
  /**
   * Whether the arrays of the call that is under way lie at the same place of one allocation on all
   * ranks.
   */
  private direct = false;

  constructor(
    handle: SharedGroupHandle,
    readonly rank: number,
    private readonly worldRanks: number[] = range(handle.size),
  ) {
    this.size = handle.size;
    if (!Number.isInteger(rank) || rank < 0 || rank >= handle.size)
      throw new ManyHandsError('BAD_OPTION', `rank ${rank} is not in a group of ${handle.size}.`);
    this.layout = layoutOf(handle.size, handle.channelBytes);
    this.region = attachRegion(handle.region);
    this.words = new Int32Array(this.region.buffer);
    this.waiter = new Waiter(this.words, this.region.address!, handle.size);
    this.limits = {aborted: () => this.aborted(), timeoutMs: handle.timeoutMs};
    this.recorder = new FlightRecorder(this.region.buffer, this.layout, rank);
    this.channels = new Channels(this, this.waiter, this.limits);
    this.shared = sharedOperations(this);
  }

  /** A rank as the whole team knows it, for a message. */
  private world(rank: number): number {
    return this.worldRanks[rank];
  }

  private place(rank: number): number {
    return this.layout.rankAt(rank) / 4;
  }

  /** Comes to the next meeting point of all ranks and waits for the others. */
  meet(): void {
    this.arrivals = (this.arrivals + 1) | 0;
    const own = this.place(this.rank);
    Atomics.store(this.words, own + RANK.posted, this.arrivals);
    this.waiter.wake(own + RANK.posted, own + RANK.sleepers);
    for (let rank = 0; rank < this.size; rank++) {
      if (rank === this.rank) continue;
      const at = this.place(rank);
      const end = this.waiter.wait(
        at + RANK.posted,
        at + RANK.sleepers,
        () => ((Atomics.load(this.words, at + RANK.posted) - this.arrivals) | 0) >= 0,
        this.limits,
      );
      if (end !== 'changed') this.fail(end);
    }
  }

  /** A subgroup's waits end with those of the group that it came from. */
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
      waitedFor !== undefined
        ? [waitedFor]
        : Array.from({length: this.size}, (_, rank) => rank).filter(
            (rank) =>
              ((Atomics.load(this.words, this.place(rank) + RANK.posted) - this.arrivals) | 0) < 0,
          );
    const where = missing.map((rank) => {
      const last = new FlightRecorder(this.region.buffer, this.layout, rank).read().at(-1);
      return `rank ${this.world(rank)} (last seen: ${last ? `${callWords(last)}, ${last.state}` : 'no call yet'})`;
    });
    throw new ManyHandsError(
      'TIMEOUT',
      `rank ${this.world(this.rank)} waited ${this.limits.timeoutMs / 1000} s in ${call} for ${where.join(' and ')}. Look for what keeps it: an endless loop, a call that only some ranks make; raise timeoutMs where a step may take longer.`,
    );
  }

  agree(call: CallDescriptor, array?: Numbers): void {
    this.begin(call);
    const allocation = array && allocated.get(array.buffer as ArrayBuffer);
    const parity = this.agreements & 1;
    this.agreements += 1;
    const at = (rank: number) =>
      this.place(rank) + RANK.descriptors + parity * RANK.descriptorWords;
    descriptorWords(
      call,
      allocation?.id ?? 0,
      array && allocation ? array.byteOffset / 4 : 0,
      this.words,
      at(this.rank),
    );
    this.inlined = array && travelsInline(call) ? this.inlineViews(array, parity) : null;
    this.inlined?.[this.rank].set(array!);
    this.meet();
    this.direct = allocation !== undefined;
    for (let rank = 0; rank < this.size; rank++) {
      if (rank === this.rank) continue;
      const agreed = sameCall(this.words, at(this.rank), at(rank));
      if (agreed === 'otherPlace') this.direct = false;
      else if (agreed === 'other') throw agreementError(this.words, at, this.rank, this.worldRanks);
    }
  }

  /**
   * Views of all ranks' room for numbers of this parity; kept, since a program mostly repeats its
   * last call.
   */
  private inlineViews(array: Numbers, parity: number): Numbers[] {
    const type = array.constructor as new (
      buffer: ArrayBuffer,
      at: number,
      length: number,
    ) => Numbers;
    const kept = this.inlineCache[parity];
    if (kept && kept.type === type && kept.length === array.length) return kept.views;
    const views = Array.from(
      {length: this.size},
      (_, rank) => new type(this.region.buffer, this.layout.inlineAt(rank, parity), array.length),
    );
    this.inlineCache[parity] = {type, length: array.length, views};
    return views;
  }

  begin(call: CallDescriptor): void {
    this.call = call;
    this.recorder.start(call, machineMs());
  }

  finish(): void {
    this.recorder.finish(machineMs());
  }

  /**
   * All ranks' arrays at the place of `array`, by rank; null where the call must go through the
   * staging areas.
   */
  mirrors<T extends Numbers>(array: T): T[] | null {
    const allocation = this.direct ? allocated.get(array.buffer as ArrayBuffer) : undefined;
    if (!allocation) return null;
    const type = array.constructor as new (buffer: ArrayBuffer, at: number, length: number) => T;
    return allocation.buffers.map((buffer, rank) =>
      rank === this.rank ? array : new type(buffer, array.byteOffset, array.length),
    );
  }

  /** The memory through which this rank's messages to another go. */
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

  /** Offers a region of this rank's to all and attaches to theirs. */
  private swap(own: SharedRegion): SharedRegion[] {
    const bytes = new TextEncoder().encode(JSON.stringify(own.handle));
    const offer = (rank: number) =>
      new Uint8Array(this.region.buffer, this.layout.rankAt(rank) + 4 * RANK.offer, 200);
    offer(this.rank).fill(32).set(bytes);
    this.meet();
    const all = Array.from({length: this.size}, (_, rank) =>
      rank === this.rank
        ? own
        : attachRegion(JSON.parse(new TextDecoder().decode(offer(rank).slice())) as RegionHandle),
    );
    // Nobody's offer is overwritten, and no name unlinked, before all have attached.
    this.meet();
    own.unlink();
    return all;
  }

  async allocate(length: number, type: NumberType): Promise<Numbers> {
    if (length === 0) return arrayOf(new ArrayBuffer(0), type);
    const regions = this.swap(createRegion(4 * length));
    this.regions.push(...regions);
    const handle = {addresses: regions.map((region) => region.address!), length, type};
    return this.register(
      regions.map((region) => region.buffer),
      handle,
    );
  }

  /** An array that another transport of this process allocated, seen by this one. */
  adopt(handle: SharedArrayHandle): Numbers {
    return this.register(
      handle.addresses.map((address) => viewMapped(address, 4 * handle.length)),
      handle,
    );
  }

  private register(buffers: ArrayBuffer[], handle: SharedArrayHandle): Numbers {
    this.allocations += 1;
    const allocation: Allocation = {id: this.allocations, buffers, handle};
    const own = buffers[this.rank];
    allocated.set(own, allocation);
    return arrayOf(own, handle.type);
  }

  async group(ranks: number[]): Promise<Transport> {
    const [first] = ranks;
    const at = this.layout.rankAt(first) + 4 * RANK.offer;
    const offer = new Uint8Array(this.region.buffer, at, 200);
    const group =
      first === this.rank
        ? createSharedGroup(ranks.length, {timeoutMs: this.limits.timeoutMs})
        : null;
    // Only the group's ranks meet, so they meet by messages.
    if (group) {
      const handle = new TextEncoder().encode(JSON.stringify(group.handle).padEnd(offer.length));
      for (const rank of ranks.slice(1)) await this.send(handle, rank);
    }
    const bytes = new Uint8Array(offer.length);
    if (!group) await this.recv(bytes, first);
    const joined = new SharedTransport(
      group ? group.handle : (JSON.parse(new TextDecoder().decode(bytes)) as SharedGroupHandle),
      ranks.indexOf(this.rank),
      ranks.map((rank) => this.world(rank)),
    );
    joined.parent = this;
    this.subgroups.push(...(group ? [group] : []), joined);
    joined.meet();
    group?.unlink();
    return joined;
  }

  close(): void {
    for (const group of this.subgroups.splice(0)) group.close();
    for (const region of this.regions.splice(0)) region.close();
    this.region.close();
  }
}

/** Joins a group as `rank`; `worldRanks`: its ranks as the whole team knows them, for messages. */
export function joinSharedGroup(
  handle: SharedGroupHandle,
  rank: number,
  worldRanks?: number[],
): SharedTransport {
  return new SharedTransport(handle, rank, worldRanks);
}

/**
 * The same memory as another thread's array, which must stay open meanwhile, for the collectives of
 * `transport`; all ranks adopt in the same order.
 */
export function adoptArray(transport: Transport, handle: SharedArrayHandle): Numbers {
  if (!(transport instanceof SharedTransport))
    throw new ManyHandsError('INTERNAL', 'internal: only a shared-memory transport adopts arrays.');
  return transport.adopt(handle);
}
