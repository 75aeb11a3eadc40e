/**
 * A group as its creator sees it: the creator makes the region, the ranks join it, and the creator
 * ends their waits when a rank has died.
 */
import {canShareMemory, createRegion, type RegionHandle} from '../../workers/sharedRegion';
import {ManyHandsError} from '../../base/errors';
import type {FlightRecord} from '../types';
import {callWords, FlightRecorder} from './flight';
import {CHANNEL, HEADER, layoutOf, RANK} from './layout';
import {Waiter} from './waits';

/** How a rank finds its group; it is sent in a message. */
export interface SharedGroupHandle {
  region: RegionHandle;
  size: number;
  timeoutMs: number;
  /** Bytes that can be on their way from one rank to another; the default suits most programs. */
  channelBytes?: number;
}

export interface SharedGroup {
  handle: SharedGroupHandle;
  /** Ends every wait of every rank: the calls throw ABORTED with this reason. */
  abort(reason: string): void;
  /** Each rank's last thousand calls, by rank, including ranks that have ended. */
  flightRecords(): FlightRecord[][];
  /** A rank's last call in words; null if it made no call. */
  lastCall(rank: number): string | null;
  /** Call this when all ranks have joined: it removes the name of the group's memory. */
  unlink(): void;
  close(): void;
}

export const DEFAULT_TIMEOUT_MS = 30_000;

/** Whether ranks in separate processes can reach each other on this machine. */
export function sharedMemoryAvailable(): boolean {
  return canShareMemory();
}

export function createSharedGroup(
  size: number,
  {timeoutMs = DEFAULT_TIMEOUT_MS, channelBytes}: {timeoutMs?: number; channelBytes?: number} = {},
): SharedGroup {
  if (!Number.isInteger(size) || size < 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `a group's size must be a whole number from 1; it is ${size}.`,
    );
  if (!canShareMemory())
    throw new ManyHandsError(
      'DEVICE',
      'ranks in separate processes need shared memory, for which koffi must load: run `npm run doctor` (outside the clone `npx many-hands doctor`), or run all ranks in this process with runRanks.',
    );
  const layout = layoutOf(size, channelBytes);
  const region = createRegion(layout.bytes);
  const words = new Int32Array(region.buffer);
  const waiter = new Waiter(words, region.address!, size);
  const recorders = Array.from(
    {length: size},
    (_, rank) => new FlightRecorder(region.buffer, layout, rank),
  );
  let open = true;
  // `close` unmaps the memory; the records are kept.
  let recordsAtClose: FlightRecord[][] = [];
  const read = () => (open ? recorders.map((recorder) => recorder.read()) : recordsAtClose);
  return {
    handle: {region: region.handle, size, timeoutMs, channelBytes},
    abort: (reason) => {
      if (!open || Atomics.load(words, HEADER.abort)) return;
      const bytes = new TextEncoder().encode(reason).subarray(0, HEADER.reasonMost);
      new Uint8Array(region.buffer, HEADER.reasonAt, bytes.length).set(bytes);
      words[HEADER.reasonBytes] = bytes.length;
      Atomics.store(words, HEADER.abort, 1);
      for (let rank = 0; rank < size; rank++) {
        const block = layout.rankAt(rank) / 4;
        waiter.wake(block + RANK.posted, block + RANK.sleepers);
        for (let other = 0; other < size; other++) {
          const channel = layout.channelAt(rank, other) / 4;
          waiter.wake(channel + CHANNEL.written, channel + CHANNEL.writtenSleepers);
          waiter.wake(channel + CHANNEL.read, channel + CHANNEL.readSleepers);
        }
      }
    },
    flightRecords: read,
    lastCall: (rank) => {
      const call = read()[rank].at(-1);
      return call ? `${callWords(call)}, ${call.state}` : null;
    },
    unlink: () => region.unlink(),
    close: () => {
      if (!open) return;
      recordsAtClose = read();
      open = false;
      region.close();
    },
  };
}
