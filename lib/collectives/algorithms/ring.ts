/**
 * The ring algorithms: every rank sends to its right neighbour only.
 */
import {
  inSequence,
  onePart,
  partLength,
  type AlgorithmSteps,
  type Message,
  type Step,
  type StepOperation,
} from './steps';

const ringCost: AlgorithmSteps['cost'] = (bytes, size, alpha, beta) =>
  (size - 1) * (alpha + (bytes / size) * beta);
const RING_COST_TEXT = '(N-1)(α + (n/N)β)';

/** In step s rank r sends part (r - s + shift) mod N to its right neighbour. */
const ringSteps = (size: number, shift: number, action: Message['action']): Step[] =>
  Array.from({length: size - 1}, (_, s) =>
    Array.from({length: size}, (_, rank) =>
      onePart(rank, (rank + 1) % size, (rank - s + shift + size) % size, action),
    ),
  );

const reduceScatter: AlgorithmSteps = {
  steps: (size) => ringSteps(size, -1, 'add'),
  // A rank sends every part except its own, and receives every part except its left neighbour's.
  traffic: (rank, n, size) => ({
    sent: n - partLength(rank, n, size),
    received: n - partLength((rank + size - 1) % size, n, size),
  }),
  trafficText: 'sent n - len(r), received n - len(r-1)',
  cost: ringCost,
  costText: RING_COST_TEXT,
};

const allGather: AlgorithmSteps = {
  steps: (size) => ringSteps(size, 0, 'copy'),
  traffic: (rank, n, size) => ({
    sent: n - partLength((rank + 1) % size, n, size),
    received: n - partLength(rank, n, size),
  }),
  trafficText: 'sent n - len(r+1), received n - len(r)',
  cost: ringCost,
  costText: RING_COST_TEXT,
};

/** The ring algorithm by operation. */
export const ring: Partial<Record<StepOperation, AlgorithmSteps>> = {
  reduceScatter,
  allGather,
  allReduce: inSequence(
    reduceScatter,
    allGather,
    '2(N-1)(α + (n/N)β)',
    '2 (N-1)/N n each way: 2n - len(r) - len(r+1) sent, 2n - len(r-1) - len(r) received',
  ),
};
