/**
 * A rank's communicator over any transport. For each call it checks the arguments, has all ranks
 * agree, runs the algorithm, and keeps the ledger.
 */
import {shown} from '../base/errors';
import type {Step, StepOperation} from './algorithms';
import {CallPlanner} from './callPlan';
import {checkArray, checkGroup, checkOp, checkRank, typeOf} from './checkCall';
import {refuseOption} from '../base/options';
import {counted, Ledger, mergeLines, type Bytes} from './ledger';
import {bytesOf, runSteps} from './runSteps';
import {
  partOf,
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

class TransportCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly transport: TransportKind;
  private readonly traffic: Ledger;
  /** The transport with its messages counted in the ledger. */
  private readonly messages: Transport;
  private readonly planner: CallPlanner;
  private readonly groups: Communicator[] = [];
  /** How many collective calls, and how many messages, this rank has made. */
  private calls = 0;
  private messageCount = 0;

  constructor(private readonly raw: Transport) {
    this.rank = raw.rank;
    this.size = raw.size;
    this.transport = raw.kind;
    this.traffic = new Ledger(raw.rank);
    this.messages = counted(raw, this.traffic);
    this.planner = new CallPlanner(raw);
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
    const sequence = this.calls;
    this.calls += 1;
    return {operation, algorithm, op, root, peer: null, length, type, sequence, label};
  }

  /** Makes a call of one of the five operations that have algorithms. */
  private async collective(
    operation: StepOperation,
    array: Numbers,
    options: ReduceOptions & {root?: number},
    reduces: boolean,
    rooted: boolean,
  ): Promise<void> {
    checkArray(operation, array, this.rank);
    const op = reduces ? (options.op ?? 'sum') : null;
    if (op !== null) checkOp(op, array);
    const root = rooted ? checkRank('root', options.root ?? 0, this.size) : null;
    const {algorithm, steps, bytes, label, text} = this.planner.plan(
      {
        operation,
        length: array.length,
        asked: options.algorithm,
        label: options.label ?? operation,
        root,
      },
      array,
    );
    const call = this.call(operation, array.length, typeOf(array), label, algorithm, op, root);
    // Shared memory blocks the rank, and there is nothing to await.
    const agreed = this.raw.agree(call, array);
    if (agreed) await agreed;
    this.traffic.open(this.traffic.line(operation, label, text), bytes);
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
    // On its way to the root a sum passes through other ranks; their arrays must not change.
    const work = operation === 'reduce' && this.rank !== root ? array.slice() : array;
    await runSteps(steps, this.messages, work, op);
    if (op !== 'mean' || (operation === 'reduce' && this.rank !== root)) return;
    const factor = Math.fround(1 / this.size);
    const result = operation === 'reduceScatter' ? partOf(array, this.rank, this.size) : array;
    for (let i = 0; i < result.length; i++) result[i] *= factor;
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
    this.traffic.count(bytes.sent, bytes.received);
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
    checkArray('allToAll', array, this.rank);
    const {rank, size} = this;
    const call = this.call('allToAll', array.length, typeOf(array), options.label ?? 'allToAll');
    const partLength = partOf(array, rank, size).length;
    const formula = {
      sent: 4 * (array.length - partLength),
      received: 4 * (size - 1) * partLength,
      text: 'sent n - len(r), received (N-1) len(r)',
    };
    await this.raw.agree(call, array);
    this.traffic.open(this.traffic.line('allToAll', call.label, formula.text), formula);
    const type = array.constructor as new (length: number) => T;
    const result = new type(size * partLength);
    const fromRank = (other: number) =>
      result.subarray(other * partLength, (other + 1) * partLength) as T;
    fromRank(rank).set(partOf(array, rank, size));
    for (let k = 1; k < size; k++) {
      const to = (rank + k) % size;
      const from = (rank - k + size) % size;
      await this.messages.exchange(
        bytesOf(partOf(array, to, size)),
        to,
        bytesOf(fromRank(from)),
        from,
      );
    }
    this.raw.finish(call);
    return result;
  }

  /** Begins a message. Messages concern two ranks only, so they are counted on their own. */
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
      sequence: this.messageCount,
      label,
    };
    this.messageCount += 1;
    this.raw.begin(call);
    return call;
  }

  async send(array: Numbers, {to, label = 'send'}: {to: number; label?: string}): Promise<void> {
    checkArray('send', array, this.rank);
    if (checkRank('to', to, this.size) === this.rank)
      refuseOption(`rank ${to} cannot send to itself.`);
    const call = this.message('send', array, to, label);
    this.traffic.open(this.traffic.line('send', label, 'n to one rank'), {
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
    checkArray('recv', array, this.rank);
    if (checkRank('from', from, this.size) === this.rank)
      refuseOption(`rank ${from} cannot receive from itself.`);
    const call = this.message('recv', array, from, label);
    this.traffic.open(this.traffic.line('recv', label, 'n from one rank'), {
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
      refuseOption(`allocate wants a number of elements from 0; it is ${shown(length)}.`);
    const call = this.call('allocate', length, type, 'allocate');
    await this.raw.agree(call);
    const array = await this.raw.allocate(length, type);
    this.raw.finish(call);
    return array;
  }

  async group(ranks: number[]): Promise<Communicator> {
    checkGroup(ranks, this.rank, this.size);
    const group = createCommunicator(await this.raw.group(ranks));
    this.groups.push(group);
    return group;
  }

  /** The traffic of this communicator and of its groups, under this communicator's rank. */
  ledger(): LedgerLine[] {
    return mergeLines(
      [...this.traffic.all(), ...this.groups.flatMap((group) => group.ledger())],
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
