import {describe, expect, it} from 'vitest';
import {count, formatNumber, formatSeconds} from '#lib/base/format.js';

describe('formatNumber', () => {
  it.each([
    [0, '0'],
    [7, '7'],
    [12345, '12,345'],
    [12345.6, '12,346'],
    [1234.5, '1,235'],
    [123.456, '123'],
    [9.999, '10.0'],
    [999.7, '1,000'],
    [0.12345, '0.123'],
    [0.000123, '0.000123'],
    [0.00000042, '4.20e-7'],
    [-2.5, '-2.50'],
    [1e12, '1,000,000,000,000'],
    [2e20, '2.00e20'],
    [NaN, 'not a number'],
    [Infinity, '∞'],
    [-Infinity, '-∞'],
  ])('%d is %s', (value, words) => expect(formatNumber(value)).toBe(words));
});

describe('formatSeconds', () => {
  it.each([
    [0, '0 s'],
    [4.2e-6, '4.20 µs'],
    [0.01234, '12.3 ms'],
    [3.21, '3.21 s'],
    [59.9, '59.9 s'],
    [59.97, '1 min'],
    [125, '2 min 5 s'],
    [3600, '1 h'],
    [5400, '1 h 30 min'],
    [86_400, '1 day'],
    [1e6, '11.6 days'],
    [1e8, '3.17 years'],
    [Infinity, '∞'],
  ])('%d is %s', (value, words) => expect(formatSeconds(value)).toBe(words));
});

it('count knows one from many', () => {
  expect([count(1, 'step'), count(2, 'step'), count(12345, 'sample')]).toEqual([
    '1 step',
    '2 steps',
    '12,345 samples',
  ]);
});
