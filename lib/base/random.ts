/**
 * Seeded random numbers. A seed and a purpose name a stream. Streams with different names are
 * independent: drawing more numbers from one stream never changes another.
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
 * The key of the stream (seed, ...names). A Philox call under the current key absorbs each name; a
 * text is absorbed with its length and two UTF-16 units per word, so ('a', 'bc') and ('ab', 'c')
 * are different streams. Throws BAD_OPTION for a number that is not a safe integer.
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

/** A seed for tfjs's own generators. It is positive, because tfjs takes 0 for no seed. */
export function seedFor(seed: number, ...names: (string | number)[]): number {
  return (streamKey(seed, ...names)[0] >>> 1) + 1;
}

/** A stream of random numbers, which are drawn in order from its start. */
export class Random {
  private readonly key: PhiloxKey;
  private readonly buffer = new Uint32Array(BUFFER_WORDS);
  private position = BUFFER_WORDS;
  private block = 0;
  private spare: number | null = null;

  constructor(seed: number, ...names: (string | number)[]) {
    this.key = streamKey(seed, ...names);
  }

  /** Draws a whole number in [0, 2^32). */
  word(): number {
    if (this.position === BUFFER_WORDS) {
      philoxFill(this.buffer, this.key, this.block % TWO_32, Math.floor(this.block / TWO_32), 0, 0);
      this.block += BUFFER_WORDS / 4;
      this.position = 0;
    }
    return this.buffer[this.position++];
  }

  /** Draws a number in the open interval (low, high). */
  uniform(low = 0, high = 1): number {
    return low + ((this.word() + 0.5) / TWO_32) * (high - low);
  }

  /** Draws a number of the normal distribution (Box and Muller's transform). */
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
   * Draws a whole number in [0, count), each equally likely. Words that would favour small numbers
   * are drawn again. Throws INTERNAL if `count` is not a whole number from 1 to 2^32.
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

  /** Shuffles a list in place (Fisher and Yates). */
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

/** The order in which an epoch of a run visits its samples: a permutation of 0 to count - 1. */
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

function pair(text: string, index: number): number {
  const first = index < text.length ? text.charCodeAt(index) : 0;
  const second = index + 1 < text.length ? text.charCodeAt(index + 1) : 0;
  return (first | (second << 16)) >>> 0;
}
