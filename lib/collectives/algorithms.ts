/**
 * The textbook algorithms as data: who sends which parts to whom in which step. The
 * same lists are run by `runSteps`, drawn in the notebook, and counted by the tests. N ranks; the
 * array's n elements lie in N parts, part r being rank r's.
 */
import {ManyHandsError, oneOf} from '../base/errors';
import type {Algorithm} from './types';

/**
 * Parts `first` up to, but not, `last` go from one rank to another, which copies them or adds them
 * to its own.
 */
export interface Message {
  /** The rank that sends. */
  from: number;
  /** The rank that receives. */
  to: number;
  /** Its first part. */
  first: number;
  /** The part after its last. */
  last: number;
  action: 'copy' | 'add';
}

/** What happens at once: each rank sends one message at most and receives one at most. */
export type Step = Message[];

/** The operations that are written as steps. */
export type StepOperation = 'allReduce' | 'reduce' | 'broadcast' | 'reduceScatter' | 'allGather';
/** The algorithms that are written as steps. */
export type Textbook = Exclude<Algorithm, 'shared'>;

/** What a rank sends and receives, in elements: `len(r)` is the length of rank r's part of n. */
export interface Traffic {
  /** Elements. */
  sent: number;
  /** Elements. */
  received: number;
}

/**
 * An algorithm for one operation: who sends what when, beside its formulas of traffic and of time.
 */
export interface AlgorithmSteps {
  /** The steps for `size` ranks; `root` matters where the operation has one. */
  steps(size: number, root: number): Step[];
  /** Elements, by the closed formula. */
  traffic(rank: number, n: number, size: number, root: number): Traffic;
  trafficText: string;
  /**
   * Seconds for n bytes: α seconds a message, β seconds a byte (Hockney 1994, "The communication
   * challenge for MPP").
   */
  cost(bytes: number, size: number, alpha: number, beta: number): number;
  costText: string;
}

const MPICH =
  'Thakur, Rabenseifner and Gropp 2005, "Optimization of Collective Communication Operations in MPICH"';

/** Where each algorithm comes from. */
export const CITATIONS: Record<Textbook, string> = {
  naive: 'reduce to one rank, broadcast back: the plan that everyone writes first',
  ring: 'Patarasu and Yuan 2009, "Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations"',
  recursive: `${MPICH}, sections 4.1 and 4.4 (recursive doubling and halving)`,
  tree: `${MPICH}, section 4.2 (binomial tree)`,
};

const part = (rank: number, n: number, size: number) =>
  Math.floor(((rank + 1) * n) / size) - Math.floor((rank * n) / size);
const rounds = (size: number) => Math.ceil(Math.log2(size));
const powerBelow = (size: number) => 2 ** Math.floor(Math.log2(size));
const others = (size: number, root: number) =>
  Array.from({length: size}, (_, rank) => rank).filter((rank) => rank !== root);
const whole = (from: number, to: number, size: number, action: Message['action']): Message => ({
  from,
  to,
  first: 0,
  last: size,
  action,
});
const one = (from: number, to: number, at: number, action: Message['action']): Message => ({
  from,
  to,
  first: at,
  last: at + 1,
  action,
});
const plus = (a: Traffic, b: Traffic): Traffic => ({
  sent: a.sent + b.sent,
  received: a.received + b.received,
});

/** Two phases, one after the other, both with rank 0 as root. */
function both(
  a: AlgorithmSteps,
  b: AlgorithmSteps,
  costText: string,
  trafficText: string,
): AlgorithmSteps {
  return {
    steps: (size) => [...a.steps(size, 0), ...b.steps(size, 0)],
    traffic: (rank, n, size) => plus(a.traffic(rank, n, size, 0), b.traffic(rank, n, size, 0)),
    trafficText,
    cost: (bytes, size, alpha, beta) =>
      a.cost(bytes, size, alpha, beta) + b.cost(bytes, size, alpha, beta),
    costText,
  };
}

const naiveReduce: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [whole(rank, root, size, 'add')]),
  traffic: (rank, n, size, root) =>
    rank === root ? {sent: 0, received: (size - 1) * n} : {sent: n, received: 0},
  trafficText: 'each sends n; the root receives (N-1) n',
  cost: (bytes, size, alpha, beta) => (size - 1) * (alpha + bytes * beta),
  costText: '(N-1)(α + nβ)',
};

const naiveBroadcast: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [whole(root, rank, size, 'copy')]),
  traffic: (rank, n, size, root) =>
    rank === root ? {sent: (size - 1) * n, received: 0} : {sent: 0, received: n},
  trafficText: 'the root sends (N-1) n; each receives n',
  cost: naiveReduce.cost,
  costText: naiveReduce.costText,
};

const naiveScatter: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [one(root, rank, rank, 'copy')]),
  traffic: (rank, n, size, root) =>
    rank === root
      ? {sent: n - part(root, n, size), received: 0}
      : {sent: 0, received: part(rank, n, size)},
  trafficText: 'the root sends n - len(root); each receives len(r)',
  cost: (bytes, size, alpha, beta) => (size - 1) * (alpha + (bytes / size) * beta),
  costText: '(N-1)(α + (n/N)β)',
};

const naiveGather: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [one(rank, root, rank, 'copy')]),
  traffic: (rank, n, size, root) =>
    rank === root
      ? {sent: 0, received: n - part(root, n, size)}
      : {sent: part(rank, n, size), received: 0},
  trafficText: 'each sends len(r); the root receives n - len(root)',
  cost: naiveScatter.cost,
  costText: naiveScatter.costText,
};

/** In step s rank r passes part (r - s + shift) mod N on to its right neighbour. */
const ringSteps = (size: number, shift: number, action: Message['action']): Step[] =>
  Array.from({length: size - 1}, (_, s) =>
    Array.from({length: size}, (_, rank) =>
      one(rank, (rank + 1) % size, (rank - s + shift + size) % size, action),
    ),
  );

const ringReduceScatter: AlgorithmSteps = {
  steps: (size) => ringSteps(size, -1, 'add'),
  // Every part but its own passes through a rank on its way out, every part but its left
  // neighbour's on its way in.
  traffic: (rank, n, size) => ({
    sent: n - part(rank, n, size),
    received: n - part((rank + size - 1) % size, n, size),
  }),
  trafficText: 'sent n - len(r), received n - len(r-1)',
  cost: naiveScatter.cost,
  costText: naiveScatter.costText,
};

const ringAllGather: AlgorithmSteps = {
  steps: (size) => ringSteps(size, 0, 'copy'),
  traffic: (rank, n, size) => ({
    sent: n - part((rank + 1) % size, n, size),
    received: n - part(rank, n, size),
  }),
  trafficText: 'sent n - len(r+1), received n - len(r)',
  cost: naiveScatter.cost,
  costText: naiveScatter.costText,
};

function needPower(size: number): void {
  if (powerBelow(size) === size) return;
  throw new ManyHandsError(
    'BAD_OPTION',
    `recursive halving and doubling of parts want 2, 4, 8 ... ranks; this group has ${size}: use algorithm 'ring'.`,
  );
}

const recursiveReduceScatter: AlgorithmSteps = {
  // Halving: partners half the group apart keep one half each of what is left.
  steps: (size) => {
    needPower(size);
    return Array.from({length: rounds(size)}, (_, k) => {
      const half = size / 2 ** (k + 1);
      return Array.from({length: size}, (_, rank) => {
        const to = rank ^ half;
        const first = Math.floor(to / half) * half;
        return {from: rank, to, first, last: first + half, action: 'add' as const};
      });
    });
  },
  traffic: (rank, n, size) => {
    let sent = 0;
    let received = 0;
    const span = (first: number, half: number) =>
      Math.floor(((first + half) * n) / size) - Math.floor((first * n) / size);
    for (let half = size / 2; half >= 1; half /= 2) {
      sent += span(Math.floor((rank ^ half) / half) * half, half);
      received += span(Math.floor(rank / half) * half, half);
    }
    return {sent, received};
  },
  trafficText: 'n/2 + n/4 + ... + n/N each way',
  cost: (bytes, size, alpha, beta) => rounds(size) * alpha + ((size - 1) / size) * bytes * beta,
  costText: 'log2 N α + (N-1)/N nβ',
};

const recursiveAllGather: AlgorithmSteps = {
  steps: (size) => {
    needPower(size);
    return Array.from({length: rounds(size)}, (_, k) => {
      const half = 2 ** k;
      return Array.from({length: size}, (_, rank) => {
        const first = Math.floor(rank / half) * half;
        return {from: rank, to: rank ^ half, first, last: first + half, action: 'copy' as const};
      });
    });
  },
  traffic: (rank, n, size, root) => {
    const {sent, received} = recursiveReduceScatter.traffic(rank, n, size, root);
    return {sent: received, received: sent};
  },
  trafficText: 'n/N + ... + n/4 + n/2 each way',
  cost: recursiveReduceScatter.cost,
  costText: recursiveReduceScatter.costText,
};

const recursiveAllReduce: AlgorithmSteps = {
  // Doubling: partners 1, 2, 4 ... apart add each other's whole array. Ranks beyond a power of two
  // are folded in, and told after.
  steps: (size) => {
    const power = powerBelow(size);
    const extra = Array.from({length: size - power}, (_, i) => power + i);
    const fold = extra.map((rank) => whole(rank, rank - power, size, 'add'));
    const tell = extra.map((rank) => whole(rank - power, rank, size, 'copy'));
    const doubling = Array.from({length: Math.log2(power)}, (_, k) =>
      Array.from({length: power}, (_, rank) => whole(rank, rank ^ (2 ** k), size, 'add')),
    );
    return [fold, ...doubling, tell].filter((step) => step.length > 0);
  },
  traffic: (rank, n, size) => {
    const power = powerBelow(size);
    if (rank >= power) return {sent: n, received: n};
    const times = Math.log2(power) + (rank + power < size ? 1 : 0);
    return {sent: times * n, received: times * n};
  },
  trafficText:
    'log2 N times n each way; ranks beyond a power of two n, and n more at their partners',
  cost: (bytes, size, alpha, beta) =>
    (Math.log2(powerBelow(size)) + (powerBelow(size) < size ? 2 : 0)) * (alpha + bytes * beta),
  costText: 'log2 N (α + nβ), two rounds more where N is no power of two',
};

/** Ranks counted from the root. */
const fromRoot = (rank: number, root: number, size: number) => (rank - root + size) % size;

function children(rank: number, size: number, root: number): number {
  const v = fromRoot(rank, root, size);
  let count = 0;
  for (let k = v === 0 ? 0 : Math.floor(Math.log2(v)) + 1; v + 2 ** k < size; k++) count += 1;
  return count;
}

const treeBroadcast: AlgorithmSteps = {
  // In round k the first 2^k ranks, counted from the root, each tell the rank 2^k further on.
  steps: (size, root) =>
    Array.from({length: rounds(size)}, (_, k) =>
      Array.from({length: Math.min(2 ** k, size - 2 ** k)}, (_, v) =>
        whole((v + root) % size, (v + 2 ** k + root) % size, size, 'copy'),
      ),
    ),
  traffic: (rank, n, size, root) => ({
    sent: children(rank, size, root) * n,
    received: rank === root ? 0 : n,
  }),
  trafficText: 'n to each of its children, n from its parent',
  cost: (bytes, size, alpha, beta) => rounds(size) * (alpha + bytes * beta),
  costText: '⌈log2 N⌉ (α + nβ)',
};

const treeReduce: AlgorithmSteps = {
  steps: (size, root) =>
    treeBroadcast
      .steps(size, root)
      .reverse()
      .map((step) => step.map(({from, to}) => whole(to, from, size, 'add'))),
  traffic: (rank, n, size, root) => {
    const {sent, received} = treeBroadcast.traffic(rank, n, size, root);
    return {sent: received, received: sent};
  },
  trafficText: 'n from each of its children, n to its parent',
  cost: treeBroadcast.cost,
  costText: treeBroadcast.costText,
};

/** Every textbook algorithm, by name and operation. */
export const ALGORITHMS: Record<Textbook, Partial<Record<StepOperation, AlgorithmSteps>>> = {
  naive: {
    reduce: naiveReduce,
    broadcast: naiveBroadcast,
    allReduce: both(
      naiveReduce,
      naiveBroadcast,
      '2(N-1)(α + nβ)',
      'rank 0 sends and receives (N-1) n, the others n',
    ),
    reduceScatter: both(
      naiveReduce,
      naiveScatter,
      '(N-1)(2α + (1 + 1/N) nβ)',
      'the root receives (N-1) n and sends n - len(0); each sends n and receives len(r)',
    ),
    allGather: both(
      naiveGather,
      naiveBroadcast,
      '(N-1)(2α + (1 + 1/N) nβ)',
      'the root receives n - len(0) and sends (N-1) n; each sends len(r) and receives n',
    ),
  },
  ring: {
    reduceScatter: ringReduceScatter,
    allGather: ringAllGather,
    allReduce: both(
      ringReduceScatter,
      ringAllGather,
      '2(N-1)(α + (n/N)β)',
      '2 (N-1)/N n each way: 2n - len(r) - len(r+1) sent, 2n - len(r-1) - len(r) received',
    ),
  },
  recursive: {
    allReduce: recursiveAllReduce,
    reduceScatter: recursiveReduceScatter,
    allGather: recursiveAllGather,
  },
  tree: {
    broadcast: treeBroadcast,
    reduce: treeReduce,
    allReduce: both(
      treeReduce,
      treeBroadcast,
      '2⌈log2 N⌉ (α + nβ)',
      'n up and n down each edge of the tree',
    ),
  },
};

/** The algorithm for an operation; throws `BAD_OPTION` with those that exist. */
export function algorithmFor(operation: StepOperation, name: string): AlgorithmSteps {
  const found = ALGORITHMS[name as Textbook]?.[operation];
  if (found) return found;
  const known = Object.entries(ALGORITHMS)
    .filter(([, operations]) => operations[operation])
    .map(([one]) => one);
  throw new ManyHandsError(
    'BAD_OPTION',
    `${operation} has no algorithm '${name}'; it has ${oneOf(known)}, and 'shared' where ranks share memory.`,
  );
}
