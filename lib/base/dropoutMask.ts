/**
 * Dropout masks that do not depend on how a batch is divided: element e of a sample's mask is a
 * pure function of the draw (see draws.ts), the sample and e.
 */
import type {DrawRows} from './draws';
import {philoxFill} from './philox';

/**
 * The mask of a draw, row-major: 0 with probability `rate`, in [0, 1), else 1 / (1 - rate), so that
 * the mean stays 1 (inverted dropout, Srivastava et al. 2014). A row takes 16 bits per element from
 * the Philox counters (block, row, step). That takes half the time of 32 bits, and rounds the
 * probability to a multiple of 2^-16.
 */
export function dropoutMask(draw: DrawRows, rate: number): Float32Array {
  const {key, rows, firstRow, length, firstElement, counter} = draw;
  const mask = new Float32Array(rows * length);
  const kept = 1 / (1 - rate);
  if (rate === 0) return mask.fill(kept);
  const threshold = Math.round(rate * 0x10000);
  // A block of four words has the bits of eight elements.
  const block = Math.floor(firstElement / 8);
  const skip = firstElement - 8 * block;
  const random = new Uint32Array(Math.ceil((skip + length) / 2));
  const values = new Float32Array(2 * random.length);
  for (let row = 0; row < rows; row++) {
    philoxFill(random, key, block, firstRow + row, counter[0], counter[1]);
    for (let pair = 0; pair < random.length; pair++) {
      const word = random[pair];
      values[2 * pair] = (word & 0xffff) < threshold ? 0 : kept;
      values[2 * pair + 1] = word >>> 16 < threshold ? 0 : kept;
    }
    mask.set(values.subarray(skip, skip + length), row * length);
  }
  return mask;
}
