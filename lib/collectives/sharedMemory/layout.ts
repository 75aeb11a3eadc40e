/**
 * Where everything lies in the region of a group: the abort flag, a block of words a
 * rank, the flight recorders, the channels between each two ranks, a staging area a rank for arrays
 * that lie elsewhere, and room for short arrays beside the descriptors.
 */
import {INLINE_ELEMENTS} from '../ledger';

export const RECORDS = 1000;
/** Bytes of one line of a flight recorder. */
export const RECORD_BYTES = 64;
export const LABEL_BYTES = 20;

const HEADER_BYTES = 4096;
const RANK_BYTES = 512;
const CHANNEL_HEADER_BYTES = 64;
const STAGING_BYTES = 512 * 1024;
/** A short all-reduce brings its numbers along to the agreement. */
const INLINE_BYTES = 4 * INLINE_ELEMENTS;

/** Int32 places in the header. */
export const HEADER = {abort: 0, reasonBytes: 1, reasonAt: 64, reasonMost: 2048};

/**
 * Int32 places in a rank's block; `posted` counts its arrivals, on a cache line on which others
 * spin, so that nothing else is written there. Descriptors alternate between two places: a rank
 * overwrites one only after all others have come to the next call.
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
 * Int32 places in a channel's header: bytes written and read so far, and who sleeps until they
 * change.
 */
export const CHANNEL = {written: 0, writtenSleepers: 1, read: 8, readSleepers: 9};

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
  /** A rank's numbers beside its descriptor of the same parity. */
  inlineAt(rank: number, parity: number): number;
}

/** The bytes that a channel gets where so many are asked for: a power of two. */
export const channelBytesFor = (asked: number): number =>
  2 ** Math.ceil(Math.log2(Math.max(4096, asked)));

/**
 * A group of 8 takes less than 10 MiB; nothing of it is touched before it is used. `asked`: bytes
 * of a channel, of which the next power of two is taken.
 */
export function layoutOf(size: number, asked?: number): Layout {
  const channelBytes = asked
    ? channelBytesFor(asked)
    : Math.max(
        4096,
        Math.min(256 * 1024, 2 ** Math.floor(Math.log2((4 * 2 ** 20) / (size * size)))),
      );
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
