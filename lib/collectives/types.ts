/**
 * The types of the collectives: what a rank can call, and what a transport must offer.
 */

/** The arrays that collectives accept. */
export type Numbers = Float32Array | Int32Array;
/** The element type of such an array, by name. */
export type NumberType = 'float32' | 'int32';
/**
 * How ranks' numbers are combined. `mean` is the sum times fround(1/N) and needs Float32 arrays.
 */
export type ReduceOp = 'sum' | 'mean' | 'max';
/** How bytes travel between ranks. */
export type TransportKind = 'sharedMemory' | 'inProcess';

/**
 * How a collective is computed. With `shared` every rank reduces its own part directly from the
 * memory of the others; it needs shared memory and is the default there. The others are textbook
 * algorithms over messages between two ranks.
 */
export type Algorithm = 'shared' | 'naive' | 'ring' | 'recursive' | 'tree';

/** The operations, as errors, the ledger and the flight recorder name them. */
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
  /** The rank that a message goes to or comes from; null for a collective call. */
  peer: number | null;
  /** Elements of the whole array. */
  length: number;
  type: NumberType;
  /**
   * Counts the collective calls of this communicator from 0. Messages (send, recv) are counted
   * separately.
   */
  sequence: number;
  /** The caller's name for it, such as 'gradients'; the ledger and the flight recorder show it. */
  label: string;
}

/**
 * The traffic of one rank under one operation and label since the communicator was made, in bytes;
 * `formula.text` is the formula in words, e.g. '2 (N-1)/N x n x 4'.
 */
export interface LedgerLine {
  rank: number;
  operation: string;
  /** Bytes. */
  sent: number;
  /** Bytes. */
  received: number;
  /** What this rank sends and receives by the algorithm's formula, in bytes. */
  formula: {sent: number; received: number; text: string};
}

/** The options of every call: a label for the ledger, and the algorithm. */
export interface CallOptions {
  label?: string;
  algorithm?: Algorithm;
}
/** The options of a call that reduces. */
export interface ReduceOptions extends CallOptions {
  /** @default 'sum' */
  op?: ReduceOp;
}

/**
 * One rank's end of a group. Every call except `send` and `recv` is collective: all ranks make it,
 * in the same order. Rank r's part of an array of n elements is floor(r n/N) to floor((r+1) n/N).
 * Calls reject with BAD_OPTION, COLLECTIVE_MISMATCH, TIMEOUT or ABORTED.
 */
export interface Communicator {
  readonly rank: number;
  readonly size: number;
  readonly transport: TransportKind;
  /** An array of zeros that `shared` reduces without a copy; `close` frees it. */
  allocate(length: number, type: 'float32'): Promise<Float32Array>;
  /** An Int32Array of zeros that `shared` reduces without a copy; `close` frees it. */
  allocate(length: number, type: 'int32'): Promise<Int32Array>;
  /** Copies the root's `array` to every rank's `array`. */
  broadcast(array: Numbers, options?: CallOptions & {root?: number}): Promise<void>;
  /** Puts the result into the root's `array`; the arrays of the other ranks do not change. */
  reduce(array: Numbers, options?: ReduceOptions & {root?: number}): Promise<void>;
  /** Puts the result into every rank's `array`. */
  allReduce(array: Numbers, options?: ReduceOptions): Promise<void>;
  /**
   * Puts this rank's part of the result into its part of `array` and returns that part as a view;
   * the rest of `array` is then unspecified.
   */
  reduceScatter<T extends Numbers>(array: T, options?: ReduceOptions): Promise<T>;
  /** Copies each rank's own part of `array` to all other ranks. */
  allGather(array: Numbers, options?: CallOptions): Promise<void>;
  /** Sends part s of `array` to rank s; resolves to the parts that this rank got, in rank order. */
  allToAll<T extends Numbers>(array: T, options?: CallOptions): Promise<T>;
  /** Sends `array` to one rank, which must call `recv` with the same length and type. */
  send(array: Numbers, options: {to: number; label?: string}): Promise<void>;
  /** Fills `array` with the numbers that the other rank sends. */
  recv(array: Numbers, options: {from: number; label?: string}): Promise<void>;
  /** Resolves when every rank has called it. */
  barrier(options?: {label?: string}): Promise<void>;
  /** A communicator of some ranks, in the given order; exactly these ranks must call it. */
  group(ranks: number[]): Promise<Communicator>;
  /** This rank's traffic so far, by operation and label. */
  ledger(): LedgerLine[];
  /** Frees the communicator's memory; no call may follow. */
  close(): void;
}

/** One rank's end of a way to communicate: messages between two ranks, and agreement of all. */
export interface Transport {
  readonly kind: TransportKind;
  readonly rank: number;
  readonly size: number;
  send(bytes: Uint8Array, to: number): Promise<void>;
  /** Fills `bytes` with a message from rank `from`. */
  recv(bytes: Uint8Array, from: number): Promise<void>;
  /** Sends and receives at once, so that ranks that all send first do not deadlock. */
  exchange(out: Uint8Array, to: number, into: Uint8Array, from: number): Promise<void>;
  /**
   * Tells all ranks which call this rank is about to make. Throws COLLECTIVE_MISMATCH with every
   * rank's call, TIMEOUT, or ABORTED.
   */
  agree(call: CallDescriptor, array?: Numbers): void | Promise<void>;
  /** Call this before a message: the flight recorder opens its line. */
  begin(call: CallDescriptor): void;
  /** Call this after a call: the flight recorder closes its line. */
  finish(call: CallDescriptor): void;
  allocate(length: number, type: NumberType): Promise<Numbers>;
  /** The `shared` algorithm; null if the ranks do not share memory. */
  readonly shared: SharedOperations | null;
  group(ranks: number[]): Promise<Transport>;
  close(): void;
}

/**
 * The operations of the `shared` algorithm; they block until they are done. The ledger counts the
 * bytes of their formulas.
 */
export interface SharedOperations {
  broadcast(array: Numbers, root: number): void;
  reduce(array: Numbers, op: ReduceOp, root: number): void;
  allReduce(array: Numbers, op: ReduceOp): void;
  reduceScatter(array: Numbers, op: ReduceOp): void;
  allGather(array: Numbers): void;
}

/** One call or message in the flight recorder. */
export interface FlightRecord {
  rank: number;
  /** Counts calls, or messages, of the communicator from 0. */
  sequence: number;
  operation: OperationName;
  label: string;
  /** The other rank of a message; null for a collective call. */
  peer: number | null;
  /** Elements. */
  length: number;
  type: NumberType;
  state: 'started' | 'finished';
  /** Milliseconds of the monotonic clock, comparable between ranks of one machine. */
  startedAt: number;
  finishedAt: number | null;
}

/** The first element of a rank's part of `length` elements over `size` ranks. */
export function partStart(rank: number, length: number, size: number): number {
  return Math.floor((rank * length) / size);
}

/** A rank's part of an array, as a view. */
export function partOf<T extends Numbers>(array: T, rank: number, size: number): T {
  return array.subarray(
    partStart(rank, array.length, size),
    partStart(rank + 1, array.length, size),
  ) as T;
}
