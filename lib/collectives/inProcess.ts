/**
 * All ranks in one process, as promises that wait for each other: for lessons, for tests, and for
 * machines where processes cannot share memory.
 */
import {ManyHandsError} from '../base/errors';
import {
  checkValue,
  listOf,
  positiveNumber,
  readOptions,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {mismatch} from './mismatch';
import type {CallDescriptor, Numbers, NumberType, Transport} from './types';

const DEFAULT_TIMEOUT_MS = 30_000;

/** The state that the ranks of a group share. */
class GroupState {
  /** The latest calls, by their number. */
  readonly calls = new Map<number, Array<CallDescriptor | null>>();
  readonly messages = new Map<string, Uint8Array[]>();
  readonly groups = new Map<string, GroupState>();
  private readonly waiting = new Set<() => void>();
  private abortReason: string | null = null;

  /** `worldRanks` holds the rank in the whole run of each rank, for messages. */
  constructor(
    readonly worldRanks: number[],
    readonly timeoutMs: number,
  ) {}

  get size(): number {
    return this.worldRanks.length;
  }

  changed(): void {
    for (const look of [...this.waiting]) look();
  }

  abort(reason: string): void {
    this.abortReason ??= reason;
    for (const group of this.groups.values()) group.abort(reason);
    this.changed();
  }

  /** Waits until `ready` holds; `what` describes the wait in errors. */
  until(ready: () => boolean, what: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const settled = () => {
        if (this.abortReason !== null)
          reject(new ManyHandsError('ABORTED', `${what()} stopped: ${this.abortReason}.`));
        else if (ready()) resolve();
        else return false;
        return true;
      };
      if (settled()) return;
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        reject(
          new ManyHandsError(
            'TIMEOUT',
            `${what()} waited ${this.timeoutMs / 1000} s. Look for a call that only some ranks make. Raise timeoutMs if a call may take longer.`,
          ),
        );
      }, this.timeoutMs);
      const look = () => {
        if (!settled()) return;
        clearTimeout(timer);
        this.waiting.delete(look);
      };
      this.waiting.add(look);
    });
  }
}

const words = ({operation, label, sequence}: CallDescriptor) =>
  `${operation} '${label}' number ${sequence}`;

class InProcessTransport implements Transport {
  readonly kind = 'inProcess';
  readonly shared = null;
  private calls = 0;
  private groups = 0;

  constructor(
    private readonly state: GroupState,
    readonly rank: number,
  ) {}

  get size(): number {
    return this.state.size;
  }

  abort(reason: string): void {
    this.state.abort(reason);
  }

  async agree(call: CallDescriptor): Promise<void> {
    const {state, rank} = this;
    const index = this.calls++;
    const calls = state.calls.get(index) ?? new Array<CallDescriptor | null>(state.size).fill(null);
    state.calls.set(index, calls);
    calls[rank] = call;
    state.changed();
    await state.until(
      () => calls.every((posted) => posted !== null),
      () => {
        const missing = calls.flatMap((posted, other) =>
          posted === null ? [state.worldRanks[other]] : [],
        );
        return `rank ${state.worldRanks[rank]} in ${words(call)}, for rank ${missing.join(' and ')},`;
      },
    );
    // When call n is complete, all ranks have read call n - 1, so call n - 2 is no longer needed.
    state.calls.delete(index - 2);
    const key = ({label: _, ...rest}: CallDescriptor) => JSON.stringify(rest);
    if (calls.some((posted) => key(posted!) !== key(call)))
      throw mismatch(state.worldRanks[rank], calls as CallDescriptor[], state.worldRanks);
  }

  begin(): void {}

  finish(): void {}

  private box(from: number, to: number): Uint8Array[] {
    const name = `${from}>${to}`;
    let box = this.state.messages.get(name);
    if (!box) this.state.messages.set(name, (box = []));
    return box;
  }

  async send(bytes: Uint8Array, to: number): Promise<void> {
    this.box(this.rank, to).push(bytes.slice());
    this.state.changed();
  }

  async recv(bytes: Uint8Array, from: number): Promise<void> {
    const box = this.box(from, this.rank);
    const {worldRanks: world} = this.state;
    await this.state.until(
      () => box.length > 0,
      () => `rank ${world[this.rank]}, for a message of rank ${world[from]},`,
    );
    const message = box.shift()!;
    if (message.length !== bytes.length) {
      throw new ManyHandsError(
        'COLLECTIVE_MISMATCH',
        `rank ${world[this.rank]} expects ${bytes.length} bytes from rank ${world[from]}, which sent ${message.length}: send and recv need arrays of the same length and type.`,
      );
    }
    bytes.set(message);
  }

  async exchange(out: Uint8Array, to: number, into: Uint8Array, from: number): Promise<void> {
    await this.send(out, to);
    await this.recv(into, from);
  }

  async allocate(length: number, type: NumberType): Promise<Numbers> {
    return type === 'float32' ? new Float32Array(length) : new Int32Array(length);
  }

  async group(ranks: number[]): Promise<Transport> {
    const name = `${ranks.join(',')}#${this.groups++}`;
    const {groups, worldRanks, timeoutMs} = this.state;
    const worldRanksOfGroup = ranks.map((rank) => worldRanks[rank]);
    const group = groups.get(name) ?? new GroupState(worldRanksOfGroup, timeoutMs);
    groups.set(name, group);
    return new InProcessTransport(group, ranks.indexOf(this.rank));
  }

  close(): void {}
}

/** How `createInProcessGroup` makes its transports. */
export interface InProcessGroupOptions {
  /** The longest that a rank waits for another in one operation, in milliseconds. @default 30000 */
  timeoutMs?: number;
  /** The ranks' numbers in the larger group that they belong to, for messages. @default 0, 1, ... */
  worldRanks?: number[];
}

const OPTIONS: OptionTable<InProcessGroupOptions> = {
  'timeoutMs?': positiveNumber('milliseconds'),
  'worldRanks?': listOf('ranks', wholeNumber(0)),
};

/**
 * The transports of `size` ranks in this process, by rank; `abort` of any of them ends the waits of
 * all. `timeoutMs` limits a wait, in milliseconds; `worldRanks` holds the rank in the whole run of
 * each rank, for messages. Throws BAD_OPTION if `size` is not a whole number from 1.
 */
export function createInProcessGroup(
  size: number,
  options: InProcessGroupOptions = {},
): Array<
  Transport & {
    /** Ends the waits and later calls of every rank with ABORTED and this reason. */
    abort(reason: string): void;
  }
> {
  checkValue('createInProcessGroup', 'the number of ranks', size, wholeNumber(1));
  const {
    timeoutMs = DEFAULT_TIMEOUT_MS,
    worldRanks = Array.from({length: size}, (_, rank) => rank),
  } = readOptions('createInProcessGroup', options, OPTIONS);
  const state = new GroupState(worldRanks, timeoutMs);
  return Array.from({length: size}, (_, rank) => new InProcessTransport(state, rank));
}
