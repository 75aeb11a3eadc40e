import {describe, expect, it} from 'vitest';
import {runRanks} from '#lib/collectives/index.js';
import {firstOf, sumOverRanks} from '#lib/dataParallel/sumValues.js';

describe('values of all ranks', () => {
  it.each([
    [[null, 4, 2], 2],
    [[7, null, null], 7],
    [[0, 0, null], 0],
    [[null, null, null], null],
  ])('the first of %j is %j on every rank', async (values, expected) => {
    const results = await runRanks(3, (comm) => firstOf(comm, values[comm.rank], 'test'));
    // The numbers are indices, so -0 is as good as 0.
    expect(results.every((first) => first === expected)).toBe(true);
  });

  it('the sum is over all ranks, and the ranks without a finite loss are named', async () => {
    const values = [
      [1, 10],
      [NaN, 20],
      [Infinity, 30],
    ];
    for (const {sums, nonFiniteRanks} of await runRanks(3, (comm) =>
      sumOverRanks(comm, values[comm.rank]),
    )) {
      expect(sums).toEqual([NaN, 60]);
      expect(nonFiniteRanks).toEqual([1, 2]);
    }
  });
});
