/**
 * The byte ledger: what a rank really sent and received, and what the formulas of its calls
 * predict.
 */
import {type Transport, partStart, type LedgerLine} from './types';

export type Bytes = {sent: number; received: number};

export interface Line extends Bytes {
  formula: Bytes & {text: string};
}

export class Ledger {
  private readonly lines = new Map<string, Line>();
  private current: Line | null = null;

  constructor(private readonly rank: number) {}

  /** The line of an operation under a label; a new line gets the formula `text`. */
  line(operation: string, label: string, text: string): Line {
    const name = label === operation ? operation : `${operation} ${label}`;
    let line = this.lines.get(name);
    if (!line)
      this.lines.set(name, (line = {sent: 0, received: 0, formula: {sent: 0, received: 0, text}}));
    return line;
  }

  /** Adds a call's predicted bytes to `line`, and counts later traffic there. */
  open(line: Line, {sent, received}: Bytes): void {
    line.formula.sent += sent;
    line.formula.received += received;
    this.current = line;
  }

  count(sent: number, received: number): void {
    if (!this.current) return;
    this.current.sent += sent;
    this.current.received += received;
  }

  all(): LedgerLine[] {
    return [...this.lines].map(([operation, line]) => ({
      rank: this.rank,
      operation,
      ...line,
      formula: {...line.formula},
    }));
  }
}

/** The lines of several communicators of one rank, summed by operation. */
export function mergeLines(lines: readonly LedgerLine[], rank: number): LedgerLine[] {
  const merged = new Map<string, LedgerLine>();
  for (const line of lines) {
    const total = merged.get(line.operation);
    if (!total) merged.set(line.operation, {...line, rank, formula: {...line.formula}});
    else {
      for (const bytes of ['sent', 'received'] as const) {
        total[bytes] += line[bytes];
        total.formula[bytes] += line.formula[bytes];
      }
    }
  }
  return [...merged.values()];
}

/** A transport whose messages are counted. */
export function counted(transport: Transport, ledger: Ledger): Transport {
  return {
    kind: transport.kind,
    rank: transport.rank,
    size: transport.size,
    shared: transport.shared,
    send: (bytes, to) => {
      ledger.count(bytes.length, 0);
      return transport.send(bytes, to);
    },
    recv: (bytes, from) => {
      ledger.count(0, bytes.length);
      return transport.recv(bytes, from);
    },
    exchange: (out, to, into, from) => {
      ledger.count(out.length, into.length);
      return transport.exchange(out, to, into, from);
    },
    agree: (call, array) => transport.agree(call, array),
    begin: (call) => transport.begin(call),
    finish: (call) => transport.finish(call),
    allocate: (length, type) => transport.allocate(length, type),
    group: (ranks) => transport.group(ranks),
    close: () => transport.close(),
  };
}

/**
 * Up to this many elements, each rank of a `shared` all-reduce reads the whole array of every other
 * rank.
 */
export const INLINE_ELEMENTS = 2048;

/**
 * The elements that the `shared` algorithm moves for rank r, which reads and writes only part r of
 * each array.
 */
export const SHARED_TRAFFIC: Record<
  'allReduce' | 'reduce' | 'reduceScatter' | 'allGather' | 'broadcast',
  {text: string; traffic(rank: number, n: number, size: number, root: number): Bytes}
> = {
  allReduce: {
    text: `(N-1) len(r) + n - len(r) each way, len(r) = n/N: 2 (N-1)/N n; (N-1) n of arrays up to ${INLINE_ELEMENTS} elements`,
    traffic: (rank, n, size) =>
      n <= INLINE_ELEMENTS
        ? {sent: (size - 1) * n, received: (size - 1) * n}
        : {
            sent: n - partLength(rank, n, size) + (size - 1) * partLength(rank, n, size),
            received: (size - 1) * partLength(rank, n, size) + n - partLength(rank, n, size),
          },
  },
  reduceScatter: {
    text: 'sent n - len(r), received (N-1) len(r), len(r) = n/N: (N-1)/N n',
    traffic: (rank, n, size) => ({
      sent: n - partLength(rank, n, size),
      received: (size - 1) * partLength(rank, n, size),
    }),
  },
  allGather: {
    text: 'sent (N-1) len(r), received n - len(r), len(r) = n/N: (N-1)/N n',
    traffic: (rank, n, size) => ({
      sent: (size - 1) * partLength(rank, n, size),
      received: n - partLength(rank, n, size),
    }),
  },
  reduce: {
    text: 'each reads its part of all and writes it to the root: sent n, received (N-1) len(r); the root receives n - len(root) more and sends n - len(root)',
    traffic: (rank, n, size, root) => {
      const part = partLength(rank, n, size);
      return rank === root
        ? {sent: n - part, received: (size - 1) * part + n - part}
        : {sent: size > 1 ? n : 0, received: (size - 1) * part};
    },
  },
  broadcast: {
    text: 'the root sends (N-1) n, each receives n',
    traffic: (rank, n, size, root) =>
      rank === root ? {sent: (size - 1) * n, received: 0} : {sent: 0, received: n},
  },
};

function partLength(rank: number, n: number, size: number): number {
  return partStart(rank + 1, n, size) - partStart(rank, n, size);
}
