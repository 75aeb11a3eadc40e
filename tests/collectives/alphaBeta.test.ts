import {describe, expect, it} from 'vitest';
import {fitAlphaBeta} from '#lib/collectives/alphaBeta.js';

describe('fitAlphaBeta', () => {
  it('finds the two numbers that made the times, however far apart the lengths are', () => {
    const times = [1e2, 1e4, 1e6, 1e8].map((bytes) => ({bytes, seconds: 3e-6 + bytes * 2e-10}));
    const {alpha, beta, at} = fitAlphaBeta(times);
    expect(alpha / 3e-6).toBeCloseTo(1, 6);
    expect(beta / 2e-10).toBeCloseTo(1, 6);
    expect(at(1e6) / (3e-6 + 2e-4)).toBeCloseTo(1, 6);
  });

  it('fits times of any size', () => {
    for (const unit of [1e-6, 1, 1e6]) {
      const times = [1, 3, 7].map((bytes) => ({bytes, seconds: unit * (2 + 0.5 * bytes)}));
      const {alpha, beta} = fitAlphaBeta(times);
      expect(alpha / unit).toBeCloseTo(2, 6);
      expect(beta / unit).toBeCloseTo(0.5, 6);
    }
  });

  it('gives no number below 0', () => {
    expect(
      fitAlphaBeta([
        {bytes: 10, seconds: 2},
        {bytes: 1000, seconds: 1},
      ]).beta,
    ).toBe(0);
    expect(
      fitAlphaBeta([
        {bytes: 10, seconds: 1e-9},
        {bytes: 1000, seconds: 1},
      ]).alpha,
    ).toBe(0);
  });

  it('refuses one length, and a time that is none', () => {
    expect(() =>
      fitAlphaBeta([
        {bytes: 10, seconds: 1},
        {bytes: 10, seconds: 2},
      ]),
    ).toThrow(/two lengths/);
    expect(() =>
      fitAlphaBeta([
        {bytes: 10, seconds: 1},
        {bytes: 20, seconds: 0},
      ]),
    ).toThrow(/20 bytes in 0 s/);
  });
});
