import {describe, expect, it} from 'vitest';
import {ALGORITHMS, type AlgorithmSteps} from '#lib/collectives/index.js';

const ALPHA = 3e-6;
const BETA = 2e-9;
const BYTES = 5040 * 1024;

/** The time of the steps one after another, each as long as its largest message. */
function timeOfSteps({steps}: AlgorithmSteps, size: number): number {
  return steps(size, 0).reduce((seconds, step) => {
    const parts = Math.max(...step.map(({first, last}) => last - first));
    return seconds + ALPHA + (parts / size) * BYTES * BETA;
  }, 0);
}

describe.each(Object.entries(ALGORITHMS))('the formula for the time of %s', (name, operations) => {
  it.each(Object.entries(operations))('%s is that of its steps', (operation, algorithm) => {
    // Recursive halving and doubling send unlike parts where the ranks are no power of two.
    const halves = name === 'recursive' && operation !== 'allReduce';
    for (const size of halves ? [2, 4, 8] : [2, 3, 4, 5, 6, 7, 8, 9])
      expect(algorithm.cost(BYTES, size, ALPHA, BETA) / timeOfSteps(algorithm, size)).toBeCloseTo(
        1,
        9,
      );
  });
});
