/**
 * Recursive halving and doubling: the distance between partners halves or doubles in every round.
 */
import {ManyHandsError} from '../../base/errors';
import {allParts, powerBelow, rounds, type AlgorithmSteps, type StepOperation} from './steps';

function needPower(size: number): void {
  if (powerBelow(size) === size) return;
  throw new ManyHandsError(
    'BAD_OPTION',
    `recursive halving and doubling of parts needs 2, 4, 8 ... ranks; this group has ${size}: use algorithm 'ring'.`,
  );
}

const reduceScatter: AlgorithmSteps = {
  // Halving: two partners half a group apart each keep one half of the remaining parts.
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

const allGather: AlgorithmSteps = {
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
    const {sent, received} = reduceScatter.traffic(rank, n, size, root);
    return {sent: received, received: sent};
  },
  trafficText: 'n/N + ... + n/4 + n/2 each way',
  cost: reduceScatter.cost,
  costText: reduceScatter.costText,
};

const allReduce: AlgorithmSteps = {
  // Doubling: partners at distances 1, 2, 4 ... add each other's whole array. Ranks above the power
  // of two give their arrays to a partner first and get the result from it at the end.
  steps: (size) => {
    const power = powerBelow(size);
    const extra = Array.from({length: size - power}, (_, i) => power + i);
    const fold = extra.map((rank) => allParts(rank, rank - power, size, 'add'));
    const tell = extra.map((rank) => allParts(rank - power, rank, size, 'copy'));
    const doubling = Array.from({length: Math.log2(power)}, (_, k) =>
      Array.from({length: power}, (_, rank) => allParts(rank, rank ^ (2 ** k), size, 'add')),
    );
    return [fold, ...doubling, tell].filter((step) => step.length > 0);
  },
  traffic: (rank, n, size) => {
    const power = powerBelow(size);
    if (rank >= power) return {sent: n, received: n};
    const times = Math.log2(power) + (rank + power < size ? 1 : 0);
    return {sent: times * n, received: times * n};
  },
  trafficText: 'log2 N times n each way; a rank above the power of two n, and its partner n more',
  cost: (bytes, size, alpha, beta) =>
    (Math.log2(powerBelow(size)) + (powerBelow(size) < size ? 2 : 0)) * (alpha + bytes * beta),
  costText: 'log2 N (α + nβ), plus two rounds if N is not a power of two',
};

/** The recursive algorithm by operation. */
export const recursive: Partial<Record<StepOperation, AlgorithmSteps>> = {
  allReduce,
  reduceScatter,
  allGather,
};
