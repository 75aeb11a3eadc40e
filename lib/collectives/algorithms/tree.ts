/**
 * The binomial tree: in every round, each rank that has the array serves one more rank.
 */
import {allParts, inSequence, rounds, type AlgorithmSteps, type StepOperation} from './steps';

/** How many ranks get the array from `rank`. */
function children(rank: number, size: number, root: number): number {
  const fromRoot = (rank - root + size) % size;
  const firstRound = fromRoot === 0 ? 0 : Math.floor(Math.log2(fromRoot)) + 1;
  let count = 0;
  for (let k = firstRound; fromRoot + 2 ** k < size; k++) count += 1;
  return count;
}

const broadcast: AlgorithmSteps = {
  // In round k each of the first 2^k ranks, counted from the root, sends to the rank 2^k further
  // on.
  steps: (size, root) =>
    Array.from({length: rounds(size)}, (_, k) =>
      Array.from({length: Math.min(2 ** k, size - 2 ** k)}, (_, v) =>
        allParts((v + root) % size, (v + 2 ** k + root) % size, size, 'copy'),
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

const reduce: AlgorithmSteps = {
  steps: (size, root) =>
    broadcast
      .steps(size, root)
      .reverse()
      .map((step) => step.map(({from, to}) => allParts(to, from, size, 'add'))),
  traffic: (rank, n, size, root) => {
    const {sent, received} = broadcast.traffic(rank, n, size, root);
    return {sent: received, received: sent};
  },
  trafficText: 'n from each of its children, n to its parent',
  cost: broadcast.cost,
  costText: broadcast.costText,
};

/** The tree algorithm by operation. */
export const tree: Partial<Record<StepOperation, AlgorithmSteps>> = {
  broadcast,
  reduce,
  allReduce: inSequence(
    reduce,
    broadcast,
    '2⌈log2 N⌉ (α + nβ)',
    'n up and n down each edge of the tree',
  ),
};
