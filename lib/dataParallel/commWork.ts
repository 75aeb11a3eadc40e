/**
 * The work of a communication stream while the rank computes: reducing gradients and gathering
 * weights. Each operation ("op") is encoded as one integer that is identical on all ranks.
 */
import {partOf, type Communicator} from '../collectives/types';

const GRADIENTS = 'gradients';

interface Range {
  start: number;
  end: number;
}

/** Buckets of one flat buffer are reduced in place; an op is the index of a bucket. */
interface ReduceWork {
  kind: 'reduce';
  flat: Float32Array;
  buckets: Range[];
  /** Whether every rank gets the whole sum of a bucket, or only its own part. */
  operation: 'allReduce' | 'reduceScatter';
}

/** A unit's weights are gathered into a buffer from the shards of all ranks. */
export interface GatherWork {
  kind: 'gather';
  buffers: Float32Array[];
  /** This rank's parts of all units, one after another. */
  shards: Float32Array;
  /** The elements of each unit, and the offset of this rank's part in `shards`. */
  units: Array<{name: string; length: number; shard: number}>;
}

/** A unit's gradients are summed in a buffer; this rank's part is copied or added to its shard. */
interface ScatterWork {
  kind: 'scatter';
  buffers: Float32Array[];
  shards: Float32Array;
  units: GatherWork['units'];
}

export type CommWork = ReduceWork | GatherWork | ScatterWork;

/** Why weights are gathered: each reason has its own line in the ledger. */
export const GATHER_LABELS = [
  'parameters, forward',
  'parameters, backward',
  'parameters, a tied layer again',
  'parameters, to compute again',
  'parameters, validation',
] as const;
export type GatherLabel = (typeof GATHER_LABELS)[number];

/** Gathers `unit` into buffer 0 or 1. */
export interface GatherOp {
  unit: number;
  buffer: number;
  label: GatherLabel;
}

/** Three bits for the label, one for the buffer, the rest for the unit. */
export const encodeGather = ({unit, buffer, label}: GatherOp): number =>
  (unit << 4) | (buffer << 3) | GATHER_LABELS.indexOf(label);

export const decodeGather = (op: number): GatherOp => ({
  unit: op >> 4,
  buffer: (op >> 3) & 1,
  label: GATHER_LABELS[op & 7],
});

/** Sums the gradients of `unit` in buffer 0 or 1. */
export interface ScatterOp {
  unit: number;
  buffer: number;
  /** Whether this rank has no samples, and therefore adds nothing. */
  zero: boolean;
  /** Whether the sum is added to the gradients of earlier micro-batches. */
  add: boolean;
}

/** One bit for `add`, one for `zero`, one for the buffer, the rest for the unit. */
export const encodeScatter = ({unit, buffer, zero, add}: ScatterOp): number =>
  (unit << 3) | (buffer << 2) | (Number(zero) << 1) | Number(add);

export const decodeScatter = (op: number): ScatterOp => ({
  unit: op >> 3,
  buffer: (op >> 2) & 1,
  zero: (op & 2) !== 0,
  add: (op & 1) !== 0,
});

/** The name of an op's span. */
export function opName(work: CommWork, op: number): string {
  if (work.kind === 'reduce') return `bucket ${op}`;
  const {unit} = work.kind === 'gather' ? decodeGather(op) : decodeScatter(op);
  return `${work.kind} ${work.units[unit].name}`;
}

/** Executes one op; the streams of all ranks execute the same op. */
export async function execute(work: CommWork, op: number, comm: Communicator): Promise<void> {
  if (work.kind === 'reduce') await reduceBucket(work, op, comm);
  else if (work.kind === 'gather') await gather(work, decodeGather(op), comm);
  else await scatter(work, decodeScatter(op), comm);
}

async function reduceBucket(work: ReduceWork, bucket: number, comm: Communicator): Promise<void> {
  const {start, end} = work.buckets[bucket];
  await comm[work.operation](work.flat.subarray(start, end), {label: GRADIENTS});
}

async function gather(work: GatherWork, op: GatherOp, comm: Communicator): Promise<void> {
  const {length, shard} = work.units[op.unit];
  const fullUnit = work.buffers[op.buffer].subarray(0, length);
  const localPart = partOf(fullUnit, comm.rank, comm.size);
  localPart.set(work.shards.subarray(shard, shard + localPart.length));
  await comm.allGather(fullUnit, {label: op.label});
}

async function scatter(work: ScatterWork, op: ScatterOp, comm: Communicator): Promise<void> {
  const {length, shard} = work.units[op.unit];
  const fullUnit = work.buffers[op.buffer].subarray(0, length);
  if (op.zero) fullUnit.fill(0);
  const sum = await comm.reduceScatter(fullUnit, {label: GRADIENTS});
  const gradients = work.shards.subarray(shard, shard + sum.length);
  if (op.add) for (let i = 0; i < sum.length; i++) gradients[i] += sum[i];
  else gradients.set(sum);
}
