/**
 * The words of the collectives: what a rank may call, and what a transport must offer
 * for it.
 */

/** Numbers that travel. */
export type Numbers = Float32Array | Int32Array;
/** Their types, by name. */
export type NumberType = 'float32' | 'int32';
/** `mean` is the sum times fround(1/N), with the same bits on every rank; of Float32 alone. */
export type ReduceOp = 'sum' | 'mean' | 'max';
/** How bytes travel between ranks. */
export type TransportKind = 'sharedMemory' | 'inProcess' | 'mpi';

/**
 * `shared`: every rank reduces its own part straight from the others' memory (shared memory only,
 * the default there). The others are the textbook's, over messages between two ranks.
 */
export type Algorithm = 'shared' | 'naive' | 'ring' | 'recursive' | 'tree';

/** What the ranks can be in at once, as errors, ledger and flight recorder name it. */
export type OperationName =
  | 'broadcast'
  | 'reduce'
  | 'allReduce'
  | 'reduceScatter'
  | 'allGather'
  | 'allToAll'
  | 'send'
  | 'recv'
  | 'barrier'
  | 'group'
  | 'allocate';

/** What the ranks must agree on before a byte moves. */
export interface CallDescriptor {
  operation: OperationName;
  algorithm: Algorithm | null;
  op: ReduceOp | null;
  root: number | null;
  /** Where a message goes to, or comes from; null in a collective call. */
  peer: number | null;
  /** Elements of the whole array. */
  length: number;
  type: NumberType;
  /**
   * Counts the collective calls of this communicator from 0; its messages (send, recv) have a count
   * of their own.
   */
  sequence: number;
  /**
   * What the caller calls it: 'gradients', 'metrics'; the ledger and the flight recorder show it.
   */
  label: string;
}

/**
 * Bytes by rank, operation and label since the communicator was made; `formula` in words, e.g. '2
 * (N-1)/N x n x 4'.
 */
export interface LedgerLine {
  rank: number;
  operation: string;
  /** Bytes. */
  sent: number;
  /** Bytes. */
  received: number;
  /** What the algorithm's formula says this rank sends and receives, in bytes. */
  formula: {sent: number; received: number; text: string};
}

/** What any call may be given: a label for the ledger, and which algorithm runs. */
export interface CallOptions {
  label?: string;
  algorithm?: Algorithm;
}
/** The same, and how numbers become one. */
export interface ReduceOptions extends CallOptions {
  /** @default 'sum' */
  op?: ReduceOp;
}

/**
 * One rank's end of a group. Every call is collective (all ranks, same order) but `send` and
 * `recv`. Rank r's part of an array of n elements is floor(r n/N) to floor((r+1) n/N).
 */
export interface Communicator {
  readonly rank: number;
  readonly size: number;
  readonly transport: TransportKind;
  /** Zeros that the `shared` algorithm reduces without a copy; freed by `close`. */
  allocate(length: number, type: 'float32'): Promise<Float32Array>;
  /** The same for Int32. */
  allocate(length: number, type: 'int32'): Promise<Int32Array>;
  /** The root's numbers reach every rank's `array`. */
  broadcast(array: Numbers, options?: CallOptions & {root?: number}): Promise<void>;
  /** The root's `array` holds the result; the others' are as before. */
  reduce(array: Numbers, options?: ReduceOptions & {root?: number}): Promise<void>;
  /** Every `array` holds the result. */
  allReduce(array: Numbers, options?: ReduceOptions): Promise<void>;
  /**
   * This rank's part of `array` holds the result and is returned as a view; the rest of `array` is
   * then unspecified.
   */
  reduceScatter<T extends Numbers>(array: T, options?: ReduceOptions): Promise<T>;
  /** Each rank gives its own part of `array`; afterwards every `array` is whole. */
  allGather(array: Numbers, options?: CallOptions): Promise<void>;
  /** Part s of rank r's array goes to rank s; resolves to what this rank got, in rank order. */
  allToAll<T extends Numbers>(array: T, options?: CallOptions): Promise<T>;
  /**
   * To one rank, which must `recv` as many numbers of the same type; collective for these two only.
   */
  send(array: Numbers, options: {to: number; label?: string}): Promise<void>;
  /** Fills `array` with what the other rank sends. */
  recv(array: Numbers, options: {from: number; label?: string}): Promise<void>;
  /** Resolves when every rank has come here. */
  barrier(options?: {label?: string}): Promise<void>;
  /**
   * A communicator of some ranks, in the given order; the ranks of the group call it, and only
   * they.
   */
  group(ranks: number[]): Promise<Communicator>;
  /** This rank's traffic so far. */
  ledger(): LedgerLine[];
  /** Gives back what the communicator holds; no call may follow. */
  close(): void;
}

/** Messages between two ranks, and agreement; each transport has one a rank. */
export interface Transport {
  readonly kind: TransportKind;
  readonly rank: number;
  readonly size: number;
  send(bytes: Uint8Array, to: number): Promise<void>;
  /** Fills `bytes`. */
  recv(bytes: Uint8Array, from: number): Promise<void>;
  /** Both at once: no deadlock where every rank sends before it receives. */
  exchange(out: Uint8Array, to: number, into: Uint8Array, from: number): Promise<void>;
  /**
   * Tells all ranks what this one is about to do; throws COLLECTIVE_MISMATCH with both sides,
   * TIMEOUT, or ABORTED.
   */
  agree(call: CallDescriptor, array?: Numbers): void | Promise<void>;
  /** A message is about to be sent or received: the flight recorder opens its line. */
  begin(call: CallDescriptor): void;
  /** The call is over; the flight recorder closes its line. */
  finish(call: CallDescriptor): void;
  allocate(length: number, type: NumberType): Promise<Numbers>;
  /** In place from memory that all ranks map; null where a transport has no such thing. */
  readonly shared: SharedOperations | null;
  group(ranks: number[]): Promise<Transport>;
  close(): void;
}

/**
 * The `shared` algorithm's own versions: they block until they are done. Byte counts of each are
 * the formula's.
 */
export interface SharedOperations {
  broadcast(array: Numbers, root: number): void;
  reduce(array: Numbers, op: ReduceOp, root: number): void;
  allReduce(array: Numbers, op: ReduceOp): void;
  reduceScatter(array: Numbers, op: ReduceOp): void;
  allGather(array: Numbers): void;
}

/** One line of the flight recorder. */
export interface FlightRecord {
  rank: number;
  /** As in `CallDescriptor`. */
  sequence: number;
  operation: OperationName;
  label: string;
  /** The other rank of a message. */
  peer: number | null;
  /** Elements. */
  length: number;
  type: NumberType;
  state: 'started' | 'finished';
  /** Milliseconds of the monotonic clock, comparable between ranks of one machine. */
  startedAt: number;
  finishedAt: number | null;
}

/** First element of rank r's part of n elements over N ranks. */
export function partStart(rank: number, length: number, size: number): number {
  return Math.floor((rank * length) / size);
}

/** This rank's part, as a view. */
export function partOf<T extends Numbers>(array: T, rank: number, size: number): T {
  return array.subarray(
    partStart(rank, array.length, size),
    partStart(rank + 1, array.length, size),
  ) as T;
}
