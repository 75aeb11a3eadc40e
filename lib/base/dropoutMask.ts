/**
 * Dropout masks that do not depend on how a batch is divided: element e of a sample's mask is a
 * pure function of (seed, layer, step, position of the sample in the global batch, e).
 */
import {ManyHandsError, shown} from './errors';
import {philoxFill} from './philox';
import {streamKey} from './random';

/** Which mask: the run, the layer, the step, and the samples of the global batch. */
export interface DropoutMaskOptions {
  /** The run's seed. */
  seed: number;
  /** The layer's name: every layer has its own masks. */
  layer: string;
  /** Optimizer steps taken before this one. */
  step: number;
  /** The position of the first sample of `shape` in the global batch. */
  firstSample: number;
  /** The position of the first element of `shape` in its sample. @default 0 */
  firstElement?: number;
  /** The mask's shape; its first dim counts samples. */
  shape: readonly number[];
  /** The share of elements that is dropped, in [0, 1). */
  rate: number;
}

/**
 * The mask, row-major: 0 with probability `rate`, else 1 / (1 - rate), so that the mean stays 1
 * (inverted dropout, Srivastava et al. 2014). Sample i draws 16 bits per element from the Philox
 * counters (block, firstSample + i, step). That takes half the time of 32 bits, and rounds the
 * probability to a multiple of 2^-16. A layer that is called twice in a step has one mask. Throws
 * BAD_OPTION if `rate` is not in [0, 1).
 */
export function dropoutMask({
  seed,
  layer,
  step,
  firstSample,
  firstElement = 0,
  shape,
  rate,
}: DropoutMaskOptions): Float32Array {
  if (!(rate >= 0 && rate < 1)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `The dropout rate of layer '${layer}' is the share of elements that is dropped, at least 0 and below 1, and this is ${shown(rate)}.`,
    );
  }
  const samples = shape[0] ?? 1;
  const size = shape.slice(1).reduce((product, dim) => product * dim, 1);
  const mask = new Float32Array(samples * size);
  const kept = 1 / (1 - rate);
  if (rate === 0) return mask.fill(kept);
  const threshold = Math.round(rate * 0x10000);
  const key = streamKey(seed, 'dropout', layer);
  // A block of four words has the bits of eight elements.
  const block = Math.floor(firstElement / 8);
  const skip = firstElement - 8 * block;
  const random = new Uint32Array(Math.ceil((skip + size) / 2));
  const row = new Float32Array(2 * random.length);
  for (let sample = 0; sample < samples; sample++) {
    philoxFill(random, key, block, firstSample + sample, step, 0);
    for (let pair = 0; pair < random.length; pair++) {
      const word = random[pair];
      row[2 * pair] = (word & 0xffff) < threshold ? 0 : kept;
      row[2 * pair + 1] = word >>> 16 < threshold ? 0 : kept;
    }
    mask.set(row.subarray(skip, skip + size), sample * size);
  }
  return mask;
}
