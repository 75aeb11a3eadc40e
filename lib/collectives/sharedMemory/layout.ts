/**
 * The layout of a group's region: the abort flag, a block of words for each rank, the flight
 * recorders, a channel for each ordered pair of ranks, a staging area for each rank (for arrays
 * outside shared memory), and room for the numbers of short arrays.
 */
import {CACHE_LINE_BYTES} from '../../base/cacheLine';
import {INLINE_ELEMENTS} from '../ledger';

/** Lines of one flight recorder. */
export const RECORDS = 1000;
/** Bytes of one line of a flight recorder. */
export const RECORD_BYTES = CACHE_LINE_BYTES;
export const LABEL_BYTES = 20;

const HEADER_BYTES = 4096;
const RANK_BYTES = 512;
const CHANNEL_HEADER_BYTES = CACHE_LINE_BYTES;
const STAGING_BYTES = 512 * 1024;
/** A short all-reduce sends its numbers with the agreement. */
const INLINE_BYTES = 4 * INLINE_ELEMENTS;

/** The header: Int32 offsets of two words, then the byte offset and the limit of the reason. */
export const HEADER = {abort: 0, reasonBytes: 1, reasonAt: CACHE_LINE_BYTES, reasonMost: 2048};

/**
 * Int32 offsets in a rank's block. `posted` counts the rank's arrivals; other ranks spin on its
 * cache line, so nothing else is written there. Descriptors alternate between two places: a rank
 * overwrites a descriptor only after all other ranks have come to the next call.
 */
export const RANK = {
  posted: 0,
  sleepers: 1,
  descriptors: 16,
  descriptorWords: 16,
  offer: 64,
  records: 120,
};

/**
 * Int32 offsets in a channel's header: how many bytes were written and read so far, and how many
 * ranks sleep until these counts change.
 */
export const CHANNEL = {written: 0, writtenSleepers: 1, read: 8, readSleepers: 9};

/** Where things are in a region; all offsets are in bytes. */
export interface Layout {
  size: number;
  bytes: number;
  stagingBytes: number;
  channelBytes: number;
  rankAt(rank: number): number;
  recordsAt(rank: number): number;
  channelAt(from: number, to: number): number;
  /** The channel's bytes, after its header. */
  channelDataAt(from: number, to: number): number;
  stagingAt(rank: number): number;
  /** A rank's inline numbers, for the descriptor of the same parity. */
  inlineAt(rank: number, parity: number): number;
}

/** The size of a channel that must hold `bytes`: the next power of two, at least 4096. */
export const channelBytesFor = (bytes: number): number =>
  2 ** Math.ceil(Math.log2(Math.max(4096, bytes)));

/**
 * The size of a channel if nothing is known of the messages: all channels together take 4 MiB, and
 * one channel takes 4 KiB to 256 KiB.
 */
function defaultChannelBytes(size: number): number {
  const share = 2 ** Math.floor(Math.log2((4 * 2 ** 20) / (size * size)));
  return Math.max(4096, Math.min(256 * 1024, share));
}

/**
 * The layout for `size` ranks. A group of 8 takes less than 10 MiB, and the system provides no page
 * before its first use. `leastChannelBytes`: what a channel must hold.
 */
export function layoutOf(size: number, leastChannelBytes?: number): Layout {
  const channelBytes = leastChannelBytes
    ? channelBytesFor(leastChannelBytes)
    : defaultChannelBytes(size);
  const records = HEADER_BYTES + size * RANK_BYTES;
  const channels = records + size * RECORDS * RECORD_BYTES;
  const staging = channels + size * size * (CHANNEL_HEADER_BYTES + channelBytes);
  const inline = staging + size * STAGING_BYTES;
  const channelAt = (from: number, to: number) =>
    channels + (from * size + to) * (CHANNEL_HEADER_BYTES + channelBytes);
  return {
    size,
    bytes: inline + 2 * size * INLINE_BYTES,
    stagingBytes: STAGING_BYTES,
    channelBytes,
    rankAt: (rank) => HEADER_BYTES + rank * RANK_BYTES,
    recordsAt: (rank) => records + rank * RECORDS * RECORD_BYTES,
    channelAt,
    channelDataAt: (from, to) => channelAt(from, to) + CHANNEL_HEADER_BYTES,
    stagingAt: (rank) => staging + rank * STAGING_BYTES,
    inlineAt: (rank, parity) => inline + (2 * rank + parity) * INLINE_BYTES,
  };
}
