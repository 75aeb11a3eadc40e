/**
 * All ranks in one process, as promises that wait for each other: for lessons, for
 * tests, and where memory cannot be shared.
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

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/** What the ranks of a group have in common. */
class Board {
  readonly calls: Array<Array<CallDescriptor | null>> = [];
  readonly messages = new Map<string, Uint8Array[]>();
  readonly groups = new Map<string, Board>();
  private readonly waiting = new Set<() => void>();
  private reason: string | null = null;

  /** `worldRanks`: the group's ranks as the whole team knows them, for messages. */
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
    this.reason ??= reason;
    for (const group of this.groups.values()) group.abort(reason);
    this.changed();
  }

  /** Until `ready`; `what` words the wait for its errors. */
  until(ready: () => boolean, what: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = ({resolve: done, reject: fail}: Waiting) => {
        if (this.reason !== null)
          fail(new ManyHandsError('ABORTED', `${what()} stopped: ${this.reason}.`));
        else if (ready()) done();
        else return false;
        return true;
      };
      const own: Waiting = {resolve, reject};
      if (end(own)) return;
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        reject(
          new ManyHandsError(
            'TIMEOUT',
            `${what()} waited ${this.timeoutMs / 1000} s. Look for a call that only some ranks make; raise timeoutMs where one may take longer.`,
          ),
        );
      }, this.timeoutMs);
      const look = () => {
        if (!end(own)) return;
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
    private readonly board: Board,
    readonly rank: number,
  ) {}

  get size(): number {
    return this.board.size;
  }

  abort(reason: string): void {
    this.board.abort(reason);
  }

  async agree(call: CallDescriptor): Promise<void> {
    const {board, rank} = this;
    const place = this.calls++;
    const calls = (board.calls[place] ??= new Array<CallDescriptor | null>(board.size).fill(null));
    calls[rank] = call;
    board.changed();
    await board.until(
      () => calls.every((one) => one !== null),
      () => {
        const missing = calls.flatMap((one, other) =>
          one === null ? [board.worldRanks[other]] : [],
        );
        return `rank ${board.worldRanks[rank]} in ${words(call)}, for rank ${missing.join(' and ')},`;
      },
    );
    // All have seen this call once the next one is complete; older ones are done with.
    if (place > 1) delete board.calls[place - 2];
    const key = ({label: _, ...rest}: CallDescriptor) => JSON.stringify(rest);
    if (calls.some((one) => key(one!) !== key(call)))
      throw mismatch(board.worldRanks[rank], calls as CallDescriptor[], board.worldRanks);
  }

  begin(): void {}

  finish(): void {}

  private box(from: number, to: number): Uint8Array[] {
    const name = `${from}>${to}`;
    let box = this.board.messages.get(name);
    if (!box) this.board.messages.set(name, (box = []));
    return box;
  }

  async send(bytes: Uint8Array, to: number): Promise<void> {
    this.box(this.rank, to).push(bytes.slice());
    this.board.changed();
  }

  async recv(bytes: Uint8Array, from: number): Promise<void> {
    const box = this.box(from, this.rank);
    const {worldRanks: world} = this.board;
    await this.board.until(
      () => box.length > 0,
      () => `rank ${world[this.rank]}, for a message of rank ${world[from]},`,
    );
    const message = box.shift()!;
    if (message.length !== bytes.length) {
      throw new ManyHandsError(
        'COLLECTIVE_MISMATCH',
        `rank ${world[this.rank]} wants ${bytes.length} bytes of rank ${world[from]}, which sent ${message.length}: send and recv want arrays of one length and type.`,
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
    let board = this.board.groups.get(name);
    if (!board)
      this.board.groups.set(
        name,
        (board = new Board(
          ranks.map((rank) => this.board.worldRanks[rank]),
          this.board.timeoutMs,
        )),
      );
    return new InProcessTransport(board, ranks.indexOf(this.rank));
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
 * Returns the transports of `size` ranks in this process, by rank. `abort` of any of them releases
 * all. Throws BAD_OPTION.
 */
export function createInProcessGroup(
  size: number,
  options: InProcessGroupOptions = {},
): Array<
  Transport & {
    /** Fails every rank's waiting and later calls with ABORTED and this reason. */
    abort(reason: string): void;
  }
> {
  checkValue('createInProcessGroup', 'the number of ranks', size, wholeNumber(1));
  const {
    timeoutMs = DEFAULT_TIMEOUT_MS,
    worldRanks = Array.from({length: size}, (_, rank) => rank),
  } = readOptions('createInProcessGroup', options, OPTIONS);
  const board = new Board(worldRanks, timeoutMs);
  return Array.from({length: size}, (_, rank) => new InProcessTransport(board, rank));
}
