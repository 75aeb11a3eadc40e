/**
 * Seeded random numbers: a stream is named by a seed and what it is for, and two
 * streams with different names share nothing, so that drawing more from one never changes another.
 */
import {ManyHandsError, shown} from './errors';
import {philox4x32, philoxFill, type PhiloxKey} from './philox';

const TWO_32 = 2 ** 32;
const BUFFER_WORDS = 256;

/** Throws BAD_OPTION unless `seed` is an integer that a double holds exactly. */
export function checkSeed(seed: unknown, where = 'seed'): asserts seed is number {
  if (!Number.isSafeInteger(seed)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `${where}: a seed is a whole number between -2^53 and 2^53, and this is ${shown(seed)}. Write, for example, ${where}: 42.`,
    );
  }
}

/**
 * The key of the stream (seed, ...names). Every name is absorbed by a Philox call under the key so
 * far, a text two UTF-16 units a word, so ('a', 'bc') and ('ab', 'c') are different streams.
 */
export function streamKey(seed: number, ...names: (string | number)[]): PhiloxKey {
  checkSeed(seed);
  let key: PhiloxKey = words(seed);
  for (const name of names) {
    if (typeof name === 'number') {
      checkSeed(name, "a number in a stream's name");
      key = absorb(key, ...words(name), 0, 1);
    } else {
      key = absorb(key, name.length, 0, 0, 2);
      for (let i = 0; i < name.length; i += 6)
        key = absorb(key, pair(name, i), pair(name, i + 2), pair(name, i + 4), 3);
    }
  }
  return key;
}

/** A seed for tfjs's own generators: positive, since tfjs takes a seed of 0 for no seed. */
export function seedFor(seed: number, ...names: (string | number)[]): number {
  return (streamKey(seed, ...names)[0] >>> 1) + 1;
}

/** A stream of random numbers, drawn in order from its start. */
export class Random {
  private readonly key: PhiloxKey;
  private readonly buffer = new Uint32Array(BUFFER_WORDS);
  private at = BUFFER_WORDS;
  private block = 0;
  private spare: number | null = null;

  constructor(seed: number, ...names: (string | number)[]) {
    this.key = streamKey(seed, ...names);
  }

  /** A whole number in [0, 2^32). */
  word(): number {
    if (this.at === BUFFER_WORDS) {
      philoxFill(this.buffer, this.key, this.block % TWO_32, Math.floor(this.block / TWO_32), 0, 0);
      this.block += BUFFER_WORDS / 4;
      this.at = 0;
    }
    return this.buffer[this.at++];
  }

  /** A number in the open interval (low, high). */
  uniform(low = 0, high = 1): number {
    return low + ((this.word() + 0.5) / TWO_32) * (high - low);
  }

  /** A number of the normal distribution (Box and Muller's transform). */
  normal(mean = 0, deviation = 1): number {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return mean + deviation * value;
    }
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return mean + deviation * radius * Math.cos(angle);
  }

  /**
   * A whole number in [0, count), every one equally likely: what would favour the first ones is
   * drawn again.
   */
  integer(count: number): number {
    if (!Number.isInteger(count) || count < 1 || count > TWO_32) {
      throw new ManyHandsError(
        'INTERNAL',
        `integer(count) wants a whole number from 1 to 2^32, and got ${shown(count)}.`,
      );
    }
    const fair = TWO_32 - (TWO_32 % count);
    let value = this.word();
    while (value >= fair) value = this.word();
    return value % count;
  }

  /** Puts a list into a random order, in place (Fisher and Yates). */
  shuffle<T extends {[index: number]: unknown; readonly length: number}>(list: T): T {
    const items = list as {[index: number]: unknown; readonly length: number};
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const kept = items[i];
      items[i] = items[j];
      items[j] = kept;
    }
    return list;
  }
}

/**
 * The order in which epoch `epoch` of a run with `seed` visits its `count` samples: each of 0 to
 * count - 1 once.
 */
export function permutation(count: number, seed: number, epoch: number): Int32Array {
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  return new Random(seed, 'permutation', epoch).shuffle(order);
}

function words(value: number): PhiloxKey {
  return [value >>> 0, Math.floor(value / TWO_32) >>> 0];
}

function absorb(key: PhiloxKey, a: number, b: number, c: number, kind: number): PhiloxKey {
  const out = philox4x32([a, b, c, kind], key);
  return [out[0], out[1]];
}

function pair(text: string, at: number): number {
  const first = at < text.length ? text.charCodeAt(at) : 0;
  const second = at + 1 < text.length ? text.charCodeAt(at + 1) : 0;
  return (first | (second << 16)) >>> 0;
}
