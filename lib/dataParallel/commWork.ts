/**
 * What a lane does beside the rank's own walk: reducing gradients, gathering weights.
 * An order is one number, the same on every rank.
 */
import {partOf, type Communicator} from '../collectives/types';

export const GRADIENTS = 'gradients';

interface Range {
  start: number;
  end: number;
}

/** Buckets of one flat buffer are reduced in place; the order is the bucket. */
export interface ReduceWork {
  kind: 'reduce';
  flat: Float32Array;
  buckets: Range[];
  /** What becomes of a bucket: every rank gets the whole sum, or each its own part of it. */
  operation: 'allReduce' | 'reduceScatter';
}

/** A unit's weights are gathered into a buffer from what each rank owns of them. */
export interface GatherWork {
  kind: 'gather';
  buffers: Float32Array[];
  /** This rank's part of every unit, one after the other. */
  shards: Float32Array;
  /** Elements of each unit, and where this rank's part of it begins in `shards`. */
  units: Array<{name: string; length: number; shard: number}>;
}

/** A unit's gradients are summed in a bucket; this rank's part is set or added to what it keeps. */
export interface ScatterWork {
  kind: 'scatter';
  buffers: Float32Array[];
  shards: Float32Array;
  units: GatherWork['units'];
}

export type CommWork = ReduceWork | GatherWork | ScatterWork;

/** Why weights are gathered: each has a line of its own in the ledger. */
export const GATHER_LABELS = [
  'parameters, forward',
  'parameters, backward',
  'parameters, a tied layer again',
  'parameters, to compute again',
  'parameters, validation',
] as const;
export type GatherLabel = (typeof GATHER_LABELS)[number];

export const encodeGather = (unit: number, buffer: number, label: GatherLabel): number =>
  (unit * 2 + buffer) * 8 + GATHER_LABELS.indexOf(label);
/**
 * `zero`: this rank has no samples, and adds nothing; `add`: to the gradients of the micro-batches
 * before.
 */
export const encodeScatter = (unit: number, buffer: number, zero: boolean, add: boolean): number =>
  (unit * 2 + buffer) * 4 + Number(zero) * 2 + Number(add);

/** What a span of this order is called. */
export function opName(work: CommWork, order: number): string {
  if (work.kind === 'reduce') return `bucket ${order}`;
  return work.kind === 'gather'
    ? `gather ${work.units[order >> 4].name}`
    : `scatter ${work.units[order >> 3].name}`;
}

/** Carries out one order; every rank's lane does the same. */
export async function execute(work: CommWork, order: number, comm: Communicator): Promise<void> {
  if (work.kind === 'reduce') {
    const {start, end} = work.buckets[order];
    await comm[work.operation](work.flat.subarray(start, end), {label: GRADIENTS});
    return;
  }
  if (work.kind === 'gather') {
    const {length, shard} = work.units[order >> 4];
    const whole = work.buffers[(order >> 3) & 1].subarray(0, length);
    const own = partOf(whole, comm.rank, comm.size);
    own.set(work.shards.subarray(shard, shard + own.length));
    await comm.allGather(whole, {label: GATHER_LABELS[order & 7]});
    return;
  }
  const {length, shard} = work.units[order >> 3];
  const whole = work.buffers[(order >> 2) & 1].subarray(0, length);
  if (order & 2) whole.fill(0);
  const own = await comm.reduceScatter(whole, {label: GRADIENTS});
  const kept = work.shards.subarray(shard, shard + own.length);
  if (order & 1) for (let i = 0; i < own.length; i++) kept[i] += own[i];
  else kept.set(own);
}
