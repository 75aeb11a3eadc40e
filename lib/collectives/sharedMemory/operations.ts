/**
 * The `shared` algorithm: each rank works on its own part of the numbers, straight
 * from the memory of all. Arrays that all ranks map are worked on in place; others pass, slice by
 * slice of every part, through the staging areas. Short ones come with the agreement, and every
 * rank adds them up for itself. Results are added in rank order, so they have the same bits on
 * every rank and in every run.
 */
import {ManyHandsError} from '../../base/errors';
import {partOf, partStart, type Numbers, type ReduceOp, type SharedOperations} from '../types';
import {reduceInto} from '../kernels';
import type {SharedTransport} from './transport';

type Kind = 'allReduce' | 'reduce' | 'reduceScatter' | 'allGather' | 'broadcast';

interface Work {
  kind: Kind;
  op: ReduceOp;
  root: number;
}

/**
 * One rank's share of the work on `all`, the arrays (or what of them is staged) by rank, all
 * divided alike by `parts`.
 */
function work(
  rank: number,
  {kind, op, root}: Work,
  all: Numbers[],
  part: (array: Numbers, of: number) => Numbers,
): void {
  if (kind === 'broadcast') {
    if (rank !== root) all[rank].set(all[root]);
    return;
  }
  const own = all.map((array) => part(array, rank));
  if (kind === 'allGather') all.forEach((_, other) => other !== rank && own[other].set(own[rank]));
  else reduceInto(own, op, kind === 'allReduce' ? own : [own[kind === 'reduce' ? root : rank]]);
}

/** Slice `index` of every part, one after another: places in the array, and in the staging area. */
interface Piece {
  from: number;
  to: number;
  at: number;
}

function pieces(length: number, size: number, index: number, most: number): Piece[] {
  let at = 0;
  return Array.from({length: size}, (_, rank) => {
    const start = partStart(rank, length, size);
    const end = partStart(rank + 1, length, size);
    const from = Math.min(start + index * most, end);
    const to = Math.min(from + most, end);
    const piece = {from, to, at};
    at += to - from;
    return piece;
  });
}

function staged(transport: SharedTransport, array: Numbers, what: Work): void {
  const {size, rank, layout, region} = transport;
  const type = array.constructor as new (
    buffer: ArrayBuffer,
    at: number,
    length: number,
  ) => Numbers;
  const areas = Array.from(
    {length: size},
    (_, other) => new type(region.buffer, layout.stagingAt(other), layout.stagingBytes / 4),
  );
  const most = Math.floor(layout.stagingBytes / 4 / size);
  const longest = Math.ceil(array.length / size);
  for (let index = 0; index * most < longest; index++) {
    const slices = pieces(array.length, size, index, most);
    const last = slices[size - 1];
    const used = last.at + last.to - last.from;
    for (const {from, to, at} of slices) areas[rank].set(array.subarray(from, to), at);
    transport.meet();
    const part = (area: Numbers, of: number) =>
      area.subarray(slices[of].at, slices[of].at + slices[of].to - slices[of].from);
    work(
      rank,
      what,
      areas.map((area) => area.subarray(0, used)),
      part,
    );
    transport.meet();
    for (const {from, to, at} of slices)
      if (writes(what, rank)) array.set(areas[rank].subarray(at, at + to - from), from);
  }
}

/** Whether a rank's own array holds something new afterwards. */
const writes = ({kind, root}: Work, rank: number) => kind !== 'reduce' || rank === root;

function run(transport: SharedTransport, array: Numbers, what: Work): void {
  if (what.op === 'mean' && array instanceof Int32Array)
    throw new ManyHandsError(
      'INTERNAL',
      "internal: op 'mean' of an Int32Array reached the transport.",
    );
  if (transport.inlined) {
    reduceInto(transport.inlined, what.op, [array]);
    return;
  }
  const all = transport.mirrors(array);
  if (!all) {
    staged(transport, array, what);
    return;
  }
  work(transport.rank, what, all, (one, of) => partOf(one, of, transport.size));
  // Nobody changes its array while another reads or writes it.
  transport.meet();
}

export function sharedOperations(transport: SharedTransport): SharedOperations {
  return {
    broadcast: (array, root) => run(transport, array, {kind: 'broadcast', op: 'sum', root}),
    reduce: (array, op, root) => run(transport, array, {kind: 'reduce', op, root}),
    allReduce: (array, op) => run(transport, array, {kind: 'allReduce', op, root: 0}),
    reduceScatter: (array, op) => run(transport, array, {kind: 'reduceScatter', op, root: 0}),
    allGather: (array) => run(transport, array, {kind: 'allGather', op: 'sum', root: 0}),
  };
}
