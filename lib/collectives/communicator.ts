/**
 * A rank's communicator over any transport: checks the call, has all ranks agree on
 * it, runs its algorithm, and keeps the ledger.
 */
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {algorithmFor, type Step, type StepOperation} from './algorithms';
import {counted, Ledger, mergeLines, SHARED_TRAFFIC, type Bytes} from './ledger';
import {bytesOf, runSteps} from './runSteps';
import {
  partOf,
  partStart,
  type Algorithm,
  type CallDescriptor,
  type CallOptions,
  type Communicator,
  type LedgerLine,
  type Numbers,
  type NumberType,
  type OperationName,
  type ReduceOp,
  type ReduceOptions,
  type Transport,
  type TransportKind,
} from './types';

/**
 * Above this many bytes an all-reduce by messages goes round the ring, below it by doubling: fewer
 * rounds against fewer bytes.
 */
const RING_FROM_BYTES = 64 * 1024;
const OPS: readonly ReduceOp[] = ['sum', 'mean', 'max'];

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', message);
}

const typeOf = (array: Numbers): NumberType =>
  array instanceof Float32Array ? 'float32' : 'int32';

interface Prepared {
  operation: StepOperation;
  length: number;
  asked: Algorithm | undefined;
  label: string;
  root: number | null;
  algorithm: Algorithm;
  /** Null for `shared`. */
  steps: Step[] | null;
  bytes: Bytes;
  text: string;
}

class TransportCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly transport: TransportKind;
  private readonly ledgerOf: Ledger;
  private readonly messages: Transport;
  private readonly groups: Communicator[] = [];
  private last: Prepared | null = null;
  private sequence = 0;
  private sent = 0;

  constructor(private readonly raw: Transport) {
    this.rank = raw.rank;
    this.size = raw.size;
    this.transport = raw.kind;
    this.ledgerOf = new Ledger(raw.rank);
    this.messages = counted(raw, this.ledgerOf);
  }

  private checkArray(operation: OperationName, array: unknown): void {
    if (array instanceof Float32Array || array instanceof Int32Array) return;
    refuse(
      `${operation} on rank ${this.rank} wants a Float32Array or an Int32Array; it got ${shown(array)}.`,
    );
  }

  private checkRank(what: string, rank: unknown): number {
    if (Number.isInteger(rank) && (rank as number) >= 0 && (rank as number) < this.size)
      return rank as number;
    return refuse(`${what} must be a rank from 0 to ${this.size - 1}; it is ${shown(rank)}.`);
  }

  private call(
    operation: OperationName,
    length: number,
    type: NumberType,
    label: string,
    algorithm: Algorithm | null = null,
    op: ReduceOp | null = null,
    root: number | null = null,
  ): CallDescriptor {
    const sequence = this.sequence;
    this.sequence += 1;
    return {operation, algorithm, op, root, peer: null, length, type, sequence, label};
  }

  private algorithm(
    operation: StepOperation,
    array: Numbers,
    asked: Algorithm | undefined,
  ): Algorithm {
    if (asked === 'shared' && !this.raw.shared)
      refuse(
        `algorithm 'shared' needs ranks that share memory; this communicator's transport is ${this.transport}: leave algorithm out.`,
      );
    if (asked) return asked;
    if (this.raw.shared) return 'shared';
    if (operation === 'broadcast' || operation === 'reduce') return 'tree';
    return operation === 'allReduce' && array.byteLength < RING_FROM_BYTES ? 'recursive' : 'ring';
  }

  /**
   * What calls of one form do and send: worked out once, since a program mostly repeats its last
   * call.
   */
  private prepare(
    operation: StepOperation,
    array: Numbers,
    asked: Algorithm | undefined,
    label: string,
    root: number | null,
  ): Prepared {
    const {last} = this;
    if (
      last &&
      last.operation === operation &&
      last.length === array.length &&
      last.asked === asked &&
      last.label === label &&
      last.root === root
    )
      return last;
    const algorithm = this.algorithm(operation, array, asked);
    const textbook = algorithm === 'shared' ? null : algorithmFor(operation, algorithm);
    const elements = (textbook ?? SHARED_TRAFFIC[operation]).traffic(
      this.rank,
      array.length,
      this.size,
      root ?? 0,
    );
    return (this.last = {
      operation,
      length: array.length,
      asked,
      label,
      root,
      algorithm,
      steps: textbook?.steps(this.size, root ?? 0) ?? null,
      bytes: {sent: 4 * elements.sent, received: 4 * elements.received},
      text: textbook?.trafficText ?? SHARED_TRAFFIC[operation].text,
    });
  }

  /** One of the five operations that have algorithms. */
  private async collective(
    operation: StepOperation,
    array: Numbers,
    options: ReduceOptions & {root?: number},
    reduces: boolean,
    rooted: boolean,
  ): Promise<void> {
    this.checkArray(operation, array);
    const op = reduces ? (options.op ?? 'sum') : null;
    if (op !== null && !OPS.includes(op)) refuse(`op must be ${oneOf(OPS)}; it is ${shown(op)}.`);
    if (op === 'mean' && array instanceof Int32Array)
      refuse(
        "op 'mean' of an Int32Array would cut off fractions: copy it into a Float32Array, or take the 'sum'.",
      );
    const root = rooted ? this.checkRank('root', options.root ?? 0) : null;
    const {algorithm, steps, bytes, label, text} = this.prepare(
      operation,
      array,
      options.algorithm,
      options.label ?? operation,
      root,
    );
    const call = this.call(operation, array.length, typeOf(array), label, algorithm, op, root);
    // Where ranks share memory a rank blocks, and there is nothing to await.
    const agreed = this.raw.agree(call, array);
    if (agreed) await agreed;
    this.ledgerOf.open(this.ledgerOf.line(operation, label, text), bytes);
    if (steps) await this.bySteps(operation, steps, array, op ?? 'sum', root);
    else this.byMemory(operation, array, op ?? 'sum', root ?? 0, bytes);
    this.raw.finish(call);
  }

  private async bySteps(
    operation: StepOperation,
    steps: Step[],
    array: Numbers,
    op: ReduceOp,
    root: number | null,
  ): Promise<void> {
    // On its way to the root a sum stands on other ranks, whose arrays stay as they are.
    const work = operation === 'reduce' && this.rank !== root ? array.slice() : array;
    await runSteps(steps, this.messages, work, op);
    if (op !== 'mean' || (operation === 'reduce' && this.rank !== root)) return;
    const by = Math.fround(1 / this.size);
    const result = operation === 'reduceScatter' ? partOf(array, this.rank, this.size) : array;
    for (let i = 0; i < result.length; i++) result[i] *= by;
  }

  private byMemory(
    operation: StepOperation,
    array: Numbers,
    op: ReduceOp,
    root: number,
    bytes: Bytes,
  ): void {
    const shared = this.raw.shared!;
    if (operation === 'allReduce') shared.allReduce(array, op);
    else if (operation === 'reduce') shared.reduce(array, op, root);
    else if (operation === 'reduceScatter') shared.reduceScatter(array, op);
    else if (operation === 'allGather') shared.allGather(array);
    else shared.broadcast(array, root);
    this.ledgerOf.count(bytes.sent, bytes.received);
  }

  async broadcast(array: Numbers, options: CallOptions & {root?: number} = {}): Promise<void> {
    await this.collective('broadcast', array, options, false, true);
  }

  async reduce(array: Numbers, options: ReduceOptions & {root?: number} = {}): Promise<void> {
    await this.collective('reduce', array, options, true, true);
  }

  async allReduce(array: Numbers, options: ReduceOptions = {}): Promise<void> {
    await this.collective('allReduce', array, options, true, false);
  }

  async reduceScatter<T extends Numbers>(array: T, options: ReduceOptions = {}): Promise<T> {
    await this.collective('reduceScatter', array, options, true, false);
    return partOf(array, this.rank, this.size);
  }

  async allGather(array: Numbers, options: CallOptions = {}): Promise<void> {
    await this.collective('allGather', array, options, false, false);
  }

  async allToAll<T extends Numbers>(array: T, options: CallOptions = {}): Promise<T> {
    this.checkArray('allToAll', array);
    const {rank, size} = this;
    const call = this.call('allToAll', array.length, typeOf(array), options.label ?? 'allToAll');
    const mine = partStart(rank + 1, array.length, size) - partStart(rank, array.length, size);
    const formula = {
      sent: 4 * (array.length - mine),
      received: 4 * (size - 1) * mine,
      text: 'sent n - len(r), received (N-1) len(r)',
    };
    await this.raw.agree(call, array);
    this.ledgerOf.open(this.ledgerOf.line('allToAll', call.label, formula.text), formula);
    const type = array.constructor as new (length: number) => T;
    const result = new type(size * mine);
    const place = (of: number) => result.subarray(of * mine, (of + 1) * mine) as T;
    place(rank).set(partOf(array, rank, size));
    for (let k = 1; k < size; k++) {
      const to = (rank + k) % size;
      const from = (rank - k + size) % size;
      await this.messages.exchange(
        bytesOf(partOf(array, to, size)),
        to,
        bytesOf(place(from)),
        from,
      );
    }
    this.raw.finish(call);
    return result;
  }

  /** Messages are no calls of all ranks: they take no number from those. */
  private message(
    operation: 'send' | 'recv',
    array: Numbers,
    peer: number,
    label: string,
  ): CallDescriptor {
    const call: CallDescriptor = {
      operation,
      algorithm: null,
      op: null,
      root: null,
      peer,
      length: array.length,
      type: typeOf(array),
      sequence: this.sent,
      label,
    };
    this.sent += 1;
    this.raw.begin(call);
    return call;
  }

  async send(array: Numbers, {to, label = 'send'}: {to: number; label?: string}): Promise<void> {
    this.checkArray('send', array);
    if (this.checkRank('to', to) === this.rank) refuse(`rank ${to} cannot send to itself.`);
    const call = this.message('send', array, to, label);
    this.ledgerOf.open(this.ledgerOf.line('send', label, 'n to one rank'), {
      sent: array.byteLength,
      received: 0,
    });
    await this.messages.send(bytesOf(array), to);
    this.raw.finish(call);
  }

  async recv(
    array: Numbers,
    {from, label = 'recv'}: {from: number; label?: string},
  ): Promise<void> {
    this.checkArray('recv', array);
    if (this.checkRank('from', from) === this.rank)
      refuse(`rank ${from} cannot receive from itself.`);
    const call = this.message('recv', array, from, label);
    this.ledgerOf.open(this.ledgerOf.line('recv', label, 'n from one rank'), {
      sent: 0,
      received: array.byteLength,
    });
    await this.messages.recv(bytesOf(array), from);
    this.raw.finish(call);
  }

  async barrier(options: {label?: string} = {}): Promise<void> {
    const call = this.call('barrier', 0, 'float32', options.label ?? 'barrier');
    await this.raw.agree(call);
    this.raw.finish(call);
  }

  allocate(length: number, type: 'float32'): Promise<Float32Array>;
  allocate(length: number, type: 'int32'): Promise<Int32Array>;
  async allocate(length: number, type: NumberType): Promise<Numbers> {
    if (!Number.isInteger(length) || length < 0)
      refuse(`allocate wants a number of elements from 0; it is ${shown(length)}.`);
    const call = this.call('allocate', length, type, 'allocate');
    await this.raw.agree(call);
    const array = await this.raw.allocate(length, type);
    this.raw.finish(call);
    return array;
  }

  async group(ranks: number[]): Promise<Communicator> {
    if (!Array.isArray(ranks) || ranks.length === 0)
      refuse(`group wants a list of ranks; it is ${shown(ranks)}.`);
    for (const rank of ranks) this.checkRank('a rank of a group', rank);
    if (new Set(ranks).size < ranks.length)
      refuse(`group names a rank twice: ${ranks.join(', ')}.`);
    if (!ranks.includes(this.rank))
      refuse(
        `rank ${this.rank} asks for a group of ${ranks.join(', ')}, to which it does not belong: only the ranks of a group call for it.`,
      );
    const group = createCommunicator(await this.raw.group(ranks));
    this.groups.push(group);
    return group;
  }

  /** Its groups' lines among it, under this communicator's rank. */
  ledger(): LedgerLine[] {
    return mergeLines(
      [...this.ledgerOf.all(), ...this.groups.flatMap((group) => group.ledger())],
      this.rank,
    );
  }

  close(): void {
    for (const group of this.groups.splice(0)) group.close();
    this.raw.close();
  }
}

/** This rank's communicator; closing it closes the transport. */
export function createCommunicator(transport: Transport): Communicator {
  return new TransportCommunicator(transport);
}
