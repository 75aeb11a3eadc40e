import {describe, expect, it} from 'vitest';
import {philox4x32, philoxFill} from '#lib/base/philox.js';
import {checkSeed, permutation, Random, seedFor, streamKey} from '#lib/base/random.js';

type Four = [number, number, number, number];
const hex = (words: Iterable<number>) =>
  [...words].map((word) => word.toString(16).padStart(8, '0')).join(' ');

describe('Philox4x32', () => {
  // Random123 1.14, tests/kat_vectors, the rows "philox4x32 10" and "philox4x32 7".
  const ones = 0xffffffff;
  const pi: Four = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  const known: [number, Four, [number, number], string][] = [
    [10, [0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [10, [ones, ones, ones, ones], [ones, ones], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [10, pi, [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
    [7, [0, 0, 0, 0], [0, 0], '5f6fb709 0d893f64 4f121f81 4f730a48'],
    [7, [ones, ones, ones, ones], [ones, ones], '5207ddc2 45165e59 4d8ee751 8c52f662'],
    [7, pi, [0xa4093822, 0x299f31d0], '4dfccaba 190a87f0 c47362ba b6b5242a'],
  ];
  it.each(known)(
    'gives the published answer: %i rounds of %j under %j',
    (rounds, counter, key, answer) => {
      expect(hex(philox4x32(counter, key, rounds))).toBe(answer);
    },
  );
  it('agrees with arithmetic on 64-bit integers', () => {
    const mask = 0xffffffffn;
    const reference = (counter: Four, key: [number, number]) => {
      let [a, b, c, d] = counter.map(BigInt);
      let [k, l] = key.map(BigInt);
      for (let round = 0; round < 10; round++) {
        const p = a * 0xd2511f53n;
        const q = c * 0xcd9e8d57n;
        [a, b, c, d] = [(q >> 32n) ^ b ^ k, q & mask, (p >> 32n) ^ d ^ l, p & mask];
        [k, l] = [(k + 0x9e3779b9n) & mask, (l + 0xbb67ae85n) & mask];
      }
      return hex([a, b, c, d].map(Number));
    };
    const random = new Random(5, 'counters');
    for (let i = 0; i < 300; i++) {
      const counter: Four = [random.word(), random.word(), random.word(), random.word()];
      const key: [number, number] = [random.word(), random.word()];
      expect(hex(philox4x32(counter, key))).toBe(reference(counter, key));
    }
  });
  it('fills consecutive blocks and cuts the last', () => {
    const out = new Uint32Array(10);
    philoxFill(out, [1, 2], 7, 3, 4, 5);
    const blocks = [7, 8, 9].flatMap((block) => [...philox4x32([block, 3, 4, 5], [1, 2])]);
    expect([...out]).toEqual(blocks.slice(0, 10));
  });
});

describe('streams', () => {
  it('are named: the same name repeats, any other differs', () => {
    const draw = (seed: number, ...names: (string | number)[]) => new Random(seed, ...names).word();
    const names: (string | number)[][] = [
      [],
      ['a'],
      ['b'],
      ['a', 'bc'],
      ['ab', 'c'],
      ['abc'],
      ['a\0'],
      [0],
      [1],
      ['1'],
      [2 ** 40],
      [0, 0],
    ];
    const seeds = [0, 1, -1, 2 ** 32, 2 ** 40];
    const drawn = seeds.flatMap((seed) => names.map((name) => draw(seed, ...name)));
    expect(new Set(drawn).size).toBe(seeds.length * names.length);
    expect(draw(3, 'x', 4)).toBe(draw(3, 'x', 4));
    expect(streamKey(1, 'a long name of a layer, block_0/attention')).not.toEqual(
      streamKey(1, 'a long name of a layer, block_1/attention'),
    );
  });
  it('refuse a seed that is no whole number', () => {
    for (const seed of [0.5, NaN, Infinity, '3', undefined, 2 ** 60])
      expect(() => checkSeed(seed)).toThrow(/whole number/);
    expect(() => new Random(1.5)).toThrow(/seed: 42/);
  });
  it('have the moments of their distributions', () => {
    const random = new Random(1, 'moments');
    const count = 200_000;
    let sum = 0;
    let squares = 0;
    let normalSum = 0;
    let normalSquares = 0;
    for (let i = 0; i < count; i++) {
      const u = random.uniform();
      if (!(u > 0 && u < 1)) throw new Error(`${u} is outside (0, 1)`);
      sum += u;
      squares += u * u;
      const z = random.normal(2, 3);
      normalSum += z;
      normalSquares += (z - 2) ** 2;
    }
    // Five standard errors.
    expect(Math.abs(sum / count - 1 / 2)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(count));
    expect(Math.abs(squares / count - 1 / 3)).toBeLessThan(
      (5 * Math.sqrt(4 / 45)) / Math.sqrt(count),
    );
    expect(Math.abs(normalSum / count - 2)).toBeLessThan((5 * 3) / Math.sqrt(count));
    expect(Math.abs(normalSquares / count - 9)).toBeLessThan(
      (5 * 9 * Math.SQRT2) / Math.sqrt(count),
    );
  });
  it('draw whole numbers evenly (chi-squared)', () => {
    const random = new Random(2, 'integers');
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.integer(7)]++;
    const chiSquared = counts.reduce((total, n) => total + (n - 10_000) ** 2 / 10_000, 0);
    expect(chiSquared).toBeLessThan(27.9); // 6 degrees of freedom: passed once in 10,000 seeds
    expect(() => random.integer(0)).toThrow(/from 1 to 2\^32/);
    expect(random.integer(1)).toBe(0);
  });
  it('give tfjs a seed that it does not take for none', () => {
    for (let seed = 0; seed < 1000; seed++) {
      const value = seedFor(seed, 'kernel');
      if (!Number.isInteger(value) || value < 1 || value > 2 ** 31)
        throw new Error(`${value} of seed ${seed}`);
    }
    expect(seedFor(0, 'a')).not.toBe(seedFor(0, 'b'));
  });
});

describe('permutation', () => {
  it('visits each sample once, by seed and epoch', () => {
    const order = permutation(1000, 42, 0);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({length: 1000}, (_, i) => i));
    expect([...permutation(1000, 42, 0)]).toEqual([...order]);
    expect([...permutation(1000, 42, 1)]).not.toEqual([...order]);
    expect([...permutation(1000, 43, 0)]).not.toEqual([...order]);
    expect([...permutation(0, 1, 0)]).toEqual([]);
    expect([...permutation(1, 1, 0)]).toEqual([0]);
  });
  it('makes every order equally likely', () => {
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 6000; epoch++) {
      const order = permutation(3, 1, epoch).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150); // 5 standard deviations
  });
});
