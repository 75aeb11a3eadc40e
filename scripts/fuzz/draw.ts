/**
 * Draws choices from a seeded stream.
 */
import {Random} from '../../lib/base/random';

export class Draw {
  private readonly random: Random;

  constructor(seed: number, purpose: string) {
    this.random = new Random(seed, 'fuzz', purpose);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.random.uniform() < probability;
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + this.random.integer(high - low + 1);
  }

  /** A number with two digits, so that a printed program stays readable. */
  number(low: number, high: number): number {
    return Number(this.random.uniform(low, high).toPrecision(2));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.integer(list.length)];
  }

  /** `count` different entries in random order. */
  several<T>(list: readonly T[], count: number): T[] {
    return this.random.shuffle([...list]).slice(0, count);
  }

  /** One key of a table of weights. */
  weighted<K extends string>(weights: Partial<Record<K, number>>): K {
    const entries = Object.entries(weights) as Array<[K, number]>;
    let rest = this.random.uniform(
      0,
      entries.reduce((sum, [, weight]) => sum + weight, 0),
    );
    for (const [key, weight] of entries) {
      rest -= weight;
      if (rest <= 0) return key;
    }
    return entries[entries.length - 1][0];
  }
}
