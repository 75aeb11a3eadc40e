/**
 * What a rank is about to do, as a few words of shared memory that the others compare
 * with their own.
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
/** Words on which all must agree; after them stand the allocation and the place in it. */
const AGREED = 8;
const PLACES = 2;

export function descriptorWords(
  call: CallDescriptor,
  allocation: number,
  place: number,
  words: Int32Array,
  at: number,
): void {
  words[at] = OPERATIONS.indexOf(call.operation);
  words[at + 1] = ALGORITHMS.indexOf(call.algorithm);
  words[at + 2] = REDUCTIONS.indexOf(call.op);
  words[at + 3] = call.root ?? NO_ROOT;
  words[at + 4] = call.length % HIGH;
  words[at + 5] = Math.floor(call.length / HIGH);
  words[at + 6] = TYPES.indexOf(call.type);
  words[at + 7] = call.sequence;
  words[at + 8] = allocation;
  words[at + 9] = place;
}

/** `otherPlace`: the same call, on arrays that do not lie at one place of one allocation. */
export function sameCall(words: Int32Array, a: number, b: number): 'same' | 'otherPlace' | 'other' {
  for (let i = 0; i < AGREED; i++) if (words[a + i] !== words[b + i]) return 'other';
  for (let i = AGREED; i < AGREED + PLACES; i++)
    if (words[a + i] !== words[b + i]) return 'otherPlace';
  return 'same';
}

function read(words: Int32Array, at: number): CallDescriptor {
  return {
    operation: OPERATIONS[words[at]],
    algorithm: ALGORITHMS[words[at + 1]],
    op: REDUCTIONS[words[at + 2]],
    root: words[at + 3] === NO_ROOT ? null : words[at + 3],
    peer: null,
    length: words[at + 4] + HIGH * words[at + 5],
    type: TYPES[words[at + 6]],
    sequence: words[at + 7],
    label: '',
  };
}

/**
 * The error that rank `own` throws: every rank's call, side by side; `worldRanks` are the ranks as
 * the whole team knows them.
 */
export function agreementError(
  words: Int32Array,
  at: (rank: number) => number,
  own: number,
  worldRanks: number[],
): Error {
  return mismatch(
    worldRanks[own],
    worldRanks.map((_, rank) => read(words, at(rank))),
    worldRanks,
  );
}
