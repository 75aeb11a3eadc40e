/**
 * An algorithm as data: a list of steps that says which rank sends which parts to which rank.
 * `runSteps` runs these lists, the notebook draws them, and the tests count their traffic. The n
 * elements of an array are divided into N parts for N ranks; part r belongs to rank r.
 */
import type {Algorithm} from '../types';

/**
 * A message with parts `first` to `last` - 1. The receiver copies them over its own parts or adds
 * them to its own parts.
 */
export interface Message {
  /** The rank that sends. */
  from: number;
  /** The rank that receives. */
  to: number;
  /** The first part. */
  first: number;
  /** The part after the last one. */
  last: number;
  action: 'copy' | 'add';
}

/** Messages that travel at the same time: each rank sends and receives at most one message. */
export type Step = Message[];

/** The operations that are written as steps. */
export type StepOperation = 'allReduce' | 'reduce' | 'broadcast' | 'reduceScatter' | 'allGather';
/** The algorithms that are written as steps. */
export type Textbook = Exclude<Algorithm, 'shared'>;

/** What a rank sends and receives, in elements. In the formulas, len(r) is the length of part r. */
export interface Traffic {
  /** Elements. */
  sent: number;
  /** Elements. */
  received: number;
}

/** An algorithm for one operation: its steps, and closed formulas of its traffic and its time. */
export interface AlgorithmSteps {
  /** The steps for `size` ranks; `root` matters only to operations that have a root. */
  steps(size: number, root: number): Step[];
  /** The traffic of a rank in elements, by the closed formula. */
  traffic(rank: number, n: number, size: number, root: number): Traffic;
  trafficText: string;
  /**
   * Seconds for n bytes with α seconds per message and β seconds per byte (Hockney 1994, "The
   * communication challenge for MPP").
   */
  cost(bytes: number, size: number, alpha: number, beta: number): number;
  costText: string;
}

/** The number of elements of a rank's part. */
export const partLength = (rank: number, n: number, size: number): number =>
  Math.floor(((rank + 1) * n) / size) - Math.floor((rank * n) / size);

/** How often `size` must be halved, rounded up, until 1 is left. */
export const rounds = (size: number): number => Math.ceil(Math.log2(size));

/** The largest power of two that is not above `size`. */
export const powerBelow = (size: number): number => 2 ** Math.floor(Math.log2(size));

/** All ranks except `root`. */
export const others = (size: number, root: number): number[] =>
  Array.from({length: size}, (_, rank) => rank).filter((rank) => rank !== root);

/** A message with the whole array. */
export const allParts = (
  from: number,
  to: number,
  size: number,
  action: Message['action'],
): Message => ({from, to, first: 0, last: size, action});

/** A message with one part. */
export const onePart = (
  from: number,
  to: number,
  part: number,
  action: Message['action'],
): Message => ({from, to, first: part, last: part + 1, action});

/** Two phases, one after the other, both with rank 0 as the root. */
export function inSequence(
  first: AlgorithmSteps,
  second: AlgorithmSteps,
  costText: string,
  trafficText: string,
): AlgorithmSteps {
  return {
    steps: (size) => [...first.steps(size, 0), ...second.steps(size, 0)],
    traffic: (rank, n, size) => {
      const [a, b] = [first.traffic(rank, n, size, 0), second.traffic(rank, n, size, 0)];
      return {sent: a.sent + b.sent, received: a.received + b.received};
    },
    trafficText,
    cost: (bytes, size, alpha, beta) =>
      first.cost(bytes, size, alpha, beta) + second.cost(bytes, size, alpha, beta),
    costText,
  };
}
