/**
 * Arrays that all ranks of a group map: each rank allocates its own memory and attaches to the
 * memory of the others.
 */
import {
  attachRegion,
  createRegion,
  viewMapped,
  type RegionHandle,
  type SharedRegion,
} from '../../workers/sharedRegion';
import type {Numbers, NumberType} from '../types';
import {RANK} from './layout';
import type {Rendezvous} from './rendezvous';

/**
 * An allocated array as another thread of this process finds it: the addresses at which each rank's
 * memory is mapped in this process.
 */
export interface SharedArrayHandle {
  addresses: bigint[];
  /** Elements. */
  length: number;
  type: NumberType;
}

/** The buffers of one allocation, by rank. */
export interface Allocation {
  id: number;
  buffers: ArrayBuffer[];
  handle: SharedArrayHandle;
}

const arrayOf = (buffer: ArrayBuffer, type: NumberType): Numbers =>
  type === 'float32' ? new Float32Array(buffer) : new Int32Array(buffer);

const allocations = new WeakMap<ArrayBuffer, Allocation>();

/** The allocation that `array` is a view of; undefined for other arrays. */
export function allocationOf(array: Numbers): Allocation | undefined {
  return allocations.get(array.buffer as ArrayBuffer);
}

/** The handle of an array that a transport of this process allocated; null for other arrays. */
export function sharedArrayHandles(array: Numbers): SharedArrayHandle | null {
  return allocationOf(array)?.handle ?? null;
}

type Meeting = Pick<Rendezvous, 'rank' | 'size' | 'layout' | 'region' | 'meet'>;

/** The arrays of one rank's transport. Every call is collective, except `close`. */
export class SharedArrays {
  private readonly regions: SharedRegion[] = [];
  private count = 0;

  constructor(private readonly group: Meeting) {}

  /** Zeros on every rank; throws WORKER if the system gives no memory. */
  allocate(length: number, type: NumberType): Numbers {
    if (length === 0) return arrayOf(new ArrayBuffer(0), type);
    const region = createRegion(4 * length);
    // If the exchange fails, `close` still frees the region.
    this.regions.push(region);
    const regions = this.exchange(region);
    this.regions.push(...regions.filter((other) => other !== region));
    const addresses = regions.map((region) => region.address!);
    return this.register(
      regions.map((region) => region.buffer),
      {addresses, length, type},
    );
  }

  /** An array that another thread's transport allocated, seen by this transport. */
  adopt(handle: SharedArrayHandle): Numbers {
    return this.register(
      handle.addresses.map((address) => viewMapped(address, 4 * handle.length)),
      handle,
    );
  }

  private register(buffers: ArrayBuffer[], handle: SharedArrayHandle): Numbers {
    this.count += 1;
    const buffer = buffers[this.group.rank];
    allocations.set(buffer, {id: this.count, buffers, handle});
    return arrayOf(buffer, handle.type);
  }

  /** Offers this rank's region to all ranks and attaches to theirs. */
  private exchange(region: SharedRegion): SharedRegion[] {
    const {group} = this;
    const offer = (rank: number) => offerOf(group, rank);
    offer(group.rank).set(handleMessage(region.handle));
    group.meet();
    const regions = Array.from({length: group.size}, (_, rank) =>
      rank === group.rank ? region : attachRegion(readHandle<RegionHandle>(offer(rank))),
    );
    // No rank overwrites its offer or unlinks its name before all ranks have attached.
    group.meet();
    region.unlink();
    return regions;
  }

  close(): void {
    for (const region of this.regions.splice(0)) region.close();
  }
}

const OFFER_BYTES = 200;

/** Where a rank writes a handle for the others to read. */
function offerOf({region, layout}: Pick<Meeting, 'region' | 'layout'>, rank: number): Uint8Array {
  return new Uint8Array(region.buffer, layout.rankAt(rank) + 4 * RANK.offer, OFFER_BYTES);
}

/** A handle as a message of fixed length; JSON, padded with spaces. */
export const handleMessage = (handle: unknown): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(handle).padEnd(OFFER_BYTES));

/** An empty buffer for `handleMessage`. */
export const emptyHandleMessage = (): Uint8Array => new Uint8Array(OFFER_BYTES);

/** Reads what `handleMessage` wrote. */
export function readHandle<T>(message: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(message.slice())) as T;
}
