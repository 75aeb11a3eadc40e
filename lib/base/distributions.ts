/**
 * Fills arrays with the random numbers of a draw, in the distributions of tfjs-core.
 */
import {uniformStream, type DrawRows} from './draws';
import {philox4x32, philoxFill} from './philox';

const TWO_32 = 2 ** 32;
const TWO_23 = 2 ** 23;

/** An array of a tensor's values; whole numbers are cut off or rounded as in tfjs. */
export type Values = Float32Array | Int32Array | Uint8Array;

/** Calls `use` with the words of each row; word `skip + i` belongs to element i of the row. */
function eachRow(
  {key, rows, firstRow, length, firstElement, counter}: DrawRows,
  use: (words: Uint32Array, skip: number, start: number) => void,
): void {
  const block = Math.floor(firstElement / 4);
  const skip = firstElement - 4 * block;
  // A pair of words makes a pair of normal numbers, so the last pair is complete.
  const words = new Uint32Array(2 * Math.ceil((skip + length) / 2));
  for (let row = 0; row < rows; row++) {
    philoxFill(words, key, block, firstRow + row, counter[0], counter[1]);
    use(words, skip, row * length);
  }
}

/** Fills `out` uniformly from the open interval (low, high). */
export function fillUniform(out: Values, draw: DrawRows, low: number, high: number): void {
  const range = high - low;
  // 23 bits and a half are exact in float32, so that the ends are never reached.
  const exact = out instanceof Float32Array;
  eachRow(draw, (words, skip, start) => {
    for (let i = 0; i < draw.length; i++) {
      const word = words[skip + i];
      const uniform = exact ? ((word >>> 9) + 0.5) / TWO_23 : (word + 0.5) / TWO_32;
      out[start + i] = low + range * uniform;
    }
  });
}

/** Fills `out` from a normal distribution (Box and Muller's transform). */
export function fillNormal(out: Values, draw: DrawRows, mean: number, deviation: number): void {
  const whole = !(out instanceof Float32Array);
  const put = (index: number, value: number) => {
    out[index] = whole ? Math.round(value) : value;
  };
  eachRow(draw, (words, skip, start) => {
    // Elements 2k and 2k + 1 of a sample share a pair of words.
    for (let i = skip - (skip % 2); i < skip + draw.length; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log((words[i] + 0.5) / TWO_32));
      const angle = 2 * Math.PI * ((words[i + 1] + 0.5) / TWO_32);
      if (i >= skip) put(start + i - skip, mean + radius * Math.cos(angle));
      if (i + 1 < skip + draw.length) put(start + i + 1 - skip, mean + radius * Math.sin(angle));
    }
  });
}

/** Fills `out` by a function that takes as many uniform numbers for an element as it needs. */
function fillEach(
  out: Values,
  {key, rows, firstRow, length, firstElement, counter}: DrawRows,
  value: (uniform: () => number) => number,
): void {
  const whole = !(out instanceof Float32Array);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < length; i++) {
      const [low, high] = philox4x32(
        [firstElement + i, firstRow + row, counter[0], counter[1]],
        key,
      );
      const number = value(uniformStream([low, high], 0, [0, 0]));
      out[row * length + i] = whole ? Math.round(number) : number;
    }
}

/** A standard normal number. */
function normal(uniform: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Fills `out` from a normal distribution without what lies over two deviations from its mean. */
export function fillTruncatedNormal(
  out: Values,
  draw: DrawRows,
  mean: number,
  deviation: number,
): void {
  fillEach(out, draw, (uniform) => {
    let value = normal(uniform);
    while (Math.abs(value) > 2) value = normal(uniform);
    return mean + deviation * value;
  });
}

/**
 * Fills `out` from a gamma distribution as tfjs 4.22 does it, whose mean is `alpha` times `beta`
 * (Marsaglia and Tsang 2000, "A simple method for generating gamma variables").
 */
export function fillGamma(out: Values, draw: DrawRows, alpha: number, beta: number): void {
  const d = alpha < 1 ? alpha + 2 / 3 : alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  fillEach(out, draw, (uniform) => {
    for (;;) {
      const x = normal(uniform);
      const v = (1 + c * x) ** 3;
      if (v <= 0 || Math.log(uniform()) >= 0.5 * x * x + d * (1 - v + Math.log(v))) continue;
      const value = beta * d * v;
      return alpha < 1 ? value * uniform() ** (1 / alpha) : value;
    }
  });
}

/** Fills `out` by calling `next`, whose `Math.random` is `useStream`'s, once for each element. */
export function fillByFunction(
  out: Values,
  {key, rows, firstRow, length, firstElement, fullLength, counter}: DrawRows,
  next: () => number,
  useStream: (uniform: () => number) => void,
): void {
  for (let row = 0; row < rows; row++) {
    useStream(uniformStream(key, firstRow + row, counter));
    for (let i = 0; i < fullLength; i++) {
      const value = next();
      if (i >= firstElement && i < firstElement + length)
        out[row * length + i - firstElement] = value;
    }
  }
}
