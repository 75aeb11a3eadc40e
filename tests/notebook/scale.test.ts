import {describe, expect, it} from 'vitest';
import {logTicks, tickLabels, ticks} from '#lib/notebook/scale.js';

describe('ticks', () => {
  it('are round, and written with as many decimals as their step needs', () => {
    expect(ticks(0, 2.3, 4)).toEqual([0, 1, 2, 3]);
    expect(tickLabels(ticks(0, 1, 4))).toEqual(['0.0', '0.5', '1.0']);
    expect(tickLabels([0, 1000])).toEqual(['0', '1,000']);
  });
  it('of a logarithmic axis are 1, 2, 5 a decade, or powers of ten where it is long', () => {
    expect(logTicks(32, 512)).toEqual([50, 100, 200, 500]);
    expect(logTicks(1e5, 1.75e11)).toEqual([1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11]);
    expect(logTicks(0.001, 0.04)).toEqual([0.001, 0.002, 0.005, 0.01, 0.02, 0.05]);
    // No round number lies between: the ends themselves.
    expect(logTicks(78, 91)).toEqual([78, 91]);
  });
});
