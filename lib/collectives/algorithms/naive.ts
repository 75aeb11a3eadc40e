/**
 * The naive algorithms: the root exchanges one message after another with every other rank.
 */
import {
  allParts,
  inSequence,
  onePart,
  others,
  partLength,
  type AlgorithmSteps,
  type StepOperation,
} from './steps';

const reduce: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [allParts(rank, root, size, 'add')]),
  traffic: (rank, n, size, root) =>
    rank === root ? {sent: 0, received: (size - 1) * n} : {sent: n, received: 0},
  trafficText: 'each sends n; the root receives (N-1) n',
  cost: (bytes, size, alpha, beta) => (size - 1) * (alpha + bytes * beta),
  costText: '(N-1)(α + nβ)',
};

const broadcast: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [allParts(root, rank, size, 'copy')]),
  traffic: (rank, n, size, root) =>
    rank === root ? {sent: (size - 1) * n, received: 0} : {sent: 0, received: n},
  trafficText: 'the root sends (N-1) n; each receives n',
  cost: reduce.cost,
  costText: reduce.costText,
};

const scatter: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [onePart(root, rank, rank, 'copy')]),
  traffic: (rank, n, size, root) =>
    rank === root
      ? {sent: n - partLength(root, n, size), received: 0}
      : {sent: 0, received: partLength(rank, n, size)},
  trafficText: 'the root sends n - len(root); each receives len(r)',
  cost: (bytes, size, alpha, beta) => (size - 1) * (alpha + (bytes / size) * beta),
  costText: '(N-1)(α + (n/N)β)',
};

const gather: AlgorithmSteps = {
  steps: (size, root) => others(size, root).map((rank) => [onePart(rank, root, rank, 'copy')]),
  traffic: (rank, n, size, root) =>
    rank === root
      ? {sent: 0, received: n - partLength(root, n, size)}
      : {sent: partLength(rank, n, size), received: 0},
  trafficText: 'each sends len(r); the root receives n - len(root)',
  cost: scatter.cost,
  costText: scatter.costText,
};

/** The naive algorithm by operation. */
export const naive: Partial<Record<StepOperation, AlgorithmSteps>> = {
  reduce,
  broadcast,
  allReduce: inSequence(
    reduce,
    broadcast,
    '2(N-1)(α + nβ)',
    'rank 0 sends and receives (N-1) n, the others n',
  ),
  reduceScatter: inSequence(
    reduce,
    scatter,
    '(N-1)(2α + (1 + 1/N) nβ)',
    'the root receives (N-1) n and sends n - len(0); each sends n and receives len(r)',
  ),
  allGather: inSequence(
    gather,
    broadcast,
    '(N-1)(2α + (1 + 1/N) nβ)',
    'the root receives n - len(0) and sends (N-1) n; each sends len(r) and receives n',
  ),
};
