/**
 * A rank's next call as a few words of shared memory, which the other ranks compare with their own.
 */
import {mismatch} from '../mismatch';
import type {Algorithm, CallDescriptor, ReduceOp} from '../types';
import {OPERATIONS, TYPES} from './flight';

const ALGORITHMS: ReadonlyArray<Algorithm | null> = [
  null,
  'shared',
  'naive',
  'ring',
  'recursive',
  'tree',
];
const REDUCTIONS: ReadonlyArray<ReduceOp | null> = [null, 'sum', 'mean', 'max'];
const NO_ROOT = -1;
const HIGH = 2 ** 31;
/** All ranks must agree on this many words; the allocation and the offset in it follow. */
const AGREED_WORDS = 8;
const PLACE_WORDS = 2;

/**
 * Writes a call at `offset` of `words`. `allocation` is the id of the shared allocation of its
 * array (0: none), `position` the array's first element in it.
 */
export function writeDescriptor(
  call: CallDescriptor,
  allocation: number,
  position: number,
  words: Int32Array,
  offset: number,
): void {
  words[offset] = OPERATIONS.indexOf(call.operation);
  words[offset + 1] = ALGORITHMS.indexOf(call.algorithm);
  words[offset + 2] = REDUCTIONS.indexOf(call.op);
  words[offset + 3] = call.root ?? NO_ROOT;
  words[offset + 4] = call.length % HIGH;
  words[offset + 5] = Math.floor(call.length / HIGH);
  words[offset + 6] = TYPES.indexOf(call.type);
  words[offset + 7] = call.sequence;
  words[offset + 8] = allocation;
  words[offset + 9] = position;
}

/**
 * Compares two calls. `otherPlace`: the same call, but the arrays are not at the same position of
 * one shared allocation.
 */
export function sameCall(words: Int32Array, a: number, b: number): 'same' | 'otherPlace' | 'other' {
  for (let i = 0; i < AGREED_WORDS; i++) if (words[a + i] !== words[b + i]) return 'other';
  for (let i = AGREED_WORDS; i < AGREED_WORDS + PLACE_WORDS; i++)
    if (words[a + i] !== words[b + i]) return 'otherPlace';
  return 'same';
}

function readDescriptor(words: Int32Array, offset: number): CallDescriptor {
  return {
    operation: OPERATIONS[words[offset]],
    algorithm: ALGORITHMS[words[offset + 1]],
    op: REDUCTIONS[words[offset + 2]],
    root: words[offset + 3] === NO_ROOT ? null : words[offset + 3],
    peer: null,
    length: words[offset + 4] + HIGH * words[offset + 5],
    type: TYPES[words[offset + 6]],
    sequence: words[offset + 7],
    label: '',
  };
}

/**
 * The error that `rank` throws: every rank's call, side by side. `worldRanks` holds the rank in the
 * whole run of each rank of the group.
 */
export function agreementError(
  words: Int32Array,
  offsetOf: (rank: number) => number,
  rank: number,
  worldRanks: number[],
): Error {
  return mismatch(
    worldRanks[rank],
    worldRanks.map((_, other) => readDescriptor(words, offsetOf(other))),
    worldRanks,
  );
}
