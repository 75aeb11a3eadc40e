/**
 * The `shared` algorithm: each rank works on its own part of the numbers, directly in the memory of
 * all ranks. Arrays that all ranks map are reduced in place. Other arrays pass through the staging
 * areas, one slice of every part at a time. Short arrays travel with the agreement, and every rank
 * adds them up by itself. Results are added in rank order, so their bits are the same on every rank
 * and in every run.
 */
import {ManyHandsError} from '../../base/errors';
import {reduceInto} from '../kernels';
import {partOf, partStart, type Numbers, type ReduceOp, type SharedOperations} from '../types';
import type {Rendezvous} from './rendezvous';

type Kind = 'allReduce' | 'reduce' | 'reduceScatter' | 'allGather' | 'broadcast';

interface Work {
  kind: Kind;
  op: ReduceOp;
  root: number;
}

/**
 * This rank's share of the work. `arrays` holds each rank's array (or its staged slices), and
 * `part` returns the part of an array that belongs to a rank.
 */
function doShare(
  rank: number,
  {kind, op, root}: Work,
  arrays: Numbers[],
  part: (array: Numbers, rank: number) => Numbers,
): void {
  if (kind === 'broadcast') {
    if (rank !== root) arrays[rank].set(arrays[root]);
    return;
  }
  const parts = arrays.map((array) => part(array, rank));
  if (kind === 'allGather') {
    for (const [other, target] of parts.entries()) if (other !== rank) target.set(parts[rank]);
    return;
  }
  if (kind === 'allReduce') reduceInto(parts, op, parts);
  else reduceInto(parts, op, [parts[kind === 'reduce' ? root : rank]]);
}

/**
 * A slice of one rank's part: elements `from` to `to` of the array, `offset` in the staging area.
 */
interface Slice {
  from: number;
  to: number;
  offset: number;
}

/** Slice `index` of every rank's part, at most `longest` elements each, by rank. */
function slicesAt(length: number, size: number, index: number, longest: number): Slice[] {
  let offset = 0;
  return Array.from({length: size}, (_, rank) => {
    const start = partStart(rank, length, size);
    const end = partStart(rank + 1, length, size);
    const from = Math.min(start + index * longest, end);
    const to = Math.min(from + longest, end);
    const slice = {from, to, offset};
    offset += to - from;
    return slice;
  });
}

function runStaged(group: Rendezvous, array: Numbers, work: Work): void {
  const {size, rank, layout, region} = group;
  const type = array.constructor as new (
    buffer: ArrayBuffer,
    offset: number,
    length: number,
  ) => Numbers;
  const areas = Array.from(
    {length: size},
    (_, other) => new type(region.buffer, layout.stagingAt(other), layout.stagingBytes / 4),
  );
  const longestSlice = Math.floor(layout.stagingBytes / 4 / size);
  const longestPart = Math.ceil(array.length / size);
  for (let index = 0; index * longestSlice < longestPart; index++) {
    const slices = slicesAt(array.length, size, index, longestSlice);
    const last = slices[size - 1];
    const used = last.offset + last.to - last.from;
    for (const {from, to, offset} of slices) areas[rank].set(array.subarray(from, to), offset);
    group.meet();
    const part = (area: Numbers, owner: number) => {
      const {from, to, offset} = slices[owner];
      return area.subarray(offset, offset + to - from);
    };
    doShare(
      rank,
      work,
      areas.map((area) => area.subarray(0, used)),
      part,
    );
    group.meet();
    if (!changesArray(work, rank)) continue;
    for (const {from, to, offset} of slices)
      array.set(areas[rank].subarray(offset, offset + to - from), from);
  }
}

/** Whether the operation changes this rank's own array. */
const changesArray = ({kind, root}: Work, rank: number) => kind !== 'reduce' || rank === root;

function run(group: Rendezvous, array: Numbers, work: Work): void {
  if (work.op === 'mean' && array instanceof Int32Array)
    throw new ManyHandsError(
      'INTERNAL',
      "internal: op 'mean' of an Int32Array reached the transport.",
    );
  if (group.inlined) {
    reduceInto(group.inlined, work.op, [array]);
    return;
  }
  const mirrors = group.mirrors(array);
  if (!mirrors) {
    runStaged(group, array, work);
    return;
  }
  doShare(group.rank, work, mirrors, (mirror, rank) => partOf(mirror, rank, group.size));
  // No rank changes its array while another rank still reads or writes it.
  group.meet();
}

/** The `shared` algorithm's five operations on a group. */
export function sharedOperations(group: Rendezvous): SharedOperations {
  return {
    broadcast: (array, root) => run(group, array, {kind: 'broadcast', op: 'sum', root}),
    reduce: (array, op, root) => run(group, array, {kind: 'reduce', op, root}),
    allReduce: (array, op) => run(group, array, {kind: 'allReduce', op, root: 0}),
    reduceScatter: (array, op) => run(group, array, {kind: 'reduceScatter', op, root: 0}),
    allGather: (array) => run(group, array, {kind: 'allGather', op: 'sum', root: 0}),
  };
}
