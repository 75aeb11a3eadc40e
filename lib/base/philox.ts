/**
 * Philox4x32, a counter-based random generator: the random words at any position are a pure
 * function of (counter, key), so every worker can draw its own part of a stream without drawing the
 * rest.
 *
 * Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC11, doi:10.1145/2063384.2063405. The tests compare it with the known answers of the reference
 * library, Random123 (`tests/kat_vectors`).
 */

/** The paper's key: two 32-bit words. */
export type PhiloxKey = readonly [number, number];

/**
 * The number of rounds that the paper recommends. At least 7 rounds are needed to pass every test
 * of TestU01's BigCrush.
 */
const PHILOX_ROUNDS = 10;

// The paper's multipliers M0 and M1, and their 16-bit halves. JavaScript has no 32 x 32 -> 64 bit
// product, so its high word is computed from four 16 x 16 products, which fit into 32 bits.
const M0 = 0xd2511f53 | 0;
const M0_LOW = M0 & 0xffff;
const M0_HIGH = M0 >>> 16;
const M1 = 0xcd9e8d57 | 0;
const M1_LOW = M1 & 0xffff;
const M1_HIGH = M1 >>> 16;
// The Weyl constants that change the key from round to round: the fractional parts of the golden
// ratio and of the square root of 3.
const W0 = 0x9e3779b9 | 0;
const W1 = 0xbb67ae85 | 0;

/**
 * Fills `out` with the words of consecutive counters: block b, out[4b] to out[4b + 3], is
 * Philox4x32 of the counter (firstBlock + b, c1, c2, c3) under `key`. The last block may be
 * incomplete. All words are taken modulo 2^32.
 */
export function philoxFill(
  out: Uint32Array,
  key: PhiloxKey,
  firstBlock: number,
  c1: number,
  c2: number,
  c3: number,
  rounds = PHILOX_ROUNDS,
): void {
  const length = out.length;
  for (let i = 0, block = firstBlock; i < length; i += 4, block++) {
    let x0 = block | 0;
    let x1 = c1 | 0;
    let x2 = c2 | 0;
    let x3 = c3 | 0;
    let k0 = key[0] | 0;
    let k1 = key[1] | 0;
    for (let round = 0; round < rounds; round++) {
      const low0 = x0 & 0xffff;
      const high0 = x0 >>> 16;
      const middle0 = (Math.imul(high0, M0_LOW) + (Math.imul(low0, M0_LOW) >>> 16)) | 0;
      const carry0 = ((middle0 & 0xffff) + Math.imul(low0, M0_HIGH)) | 0;
      const productHigh0 = (Math.imul(high0, M0_HIGH) + (middle0 >>> 16) + (carry0 >>> 16)) | 0;
      const productLow0 = Math.imul(x0, M0);

      const low1 = x2 & 0xffff;
      const high1 = x2 >>> 16;
      const middle1 = (Math.imul(high1, M1_LOW) + (Math.imul(low1, M1_LOW) >>> 16)) | 0;
      const carry1 = ((middle1 & 0xffff) + Math.imul(low1, M1_HIGH)) | 0;
      const productHigh1 = (Math.imul(high1, M1_HIGH) + (middle1 >>> 16) + (carry1 >>> 16)) | 0;
      const productLow1 = Math.imul(x2, M1);

      x0 = productHigh1 ^ x1 ^ k0;
      x2 = productHigh0 ^ x3 ^ k1;
      x1 = productLow1;
      x3 = productLow0;
      k0 = (k0 + W0) | 0;
      k1 = (k1 + W1) | 0;
    }
    // A typed array ignores writes past its end, so the last block can be incomplete.
    out[i] = x0;
    out[i + 1] = x1;
    out[i + 2] = x2;
    out[i + 3] = x3;
  }
}

/** The four random words of a counter under a key. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: PhiloxKey,
  rounds = PHILOX_ROUNDS,
): Uint32Array {
  const out = new Uint32Array(4);
  philoxFill(out, key, counter[0], counter[1], counter[2], counter[3], rounds);
  return out;
}
