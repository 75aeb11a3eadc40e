/**
 * The two numbers of a link: α, seconds a message, and β, seconds a byte.
 */
import {ManyHandsError} from '../base/errors';

/** One time of a message: its length in bytes, and seconds. */
export interface MessageTime {
  /** The message's length. */
  bytes: number;
  seconds: number;
}

/** A link in two numbers. */
export interface AlphaBeta {
  /** Seconds that a message takes however short it is. */
  alpha: number;
  /** Seconds a byte; 1/β is the bandwidth in bytes a second. */
  beta: number;
  /** Seconds of a message of so many bytes: α + nβ. */
  at(bytes: number): number;
}

/**
 * α and β of t(n) = α + nβ (Hockney 1994) by least squares of the relative errors, so that a time
 * of microseconds counts as much as one of milliseconds; neither is below 0. Throws BAD_DATA for
 * fewer than two lengths, or a time that is not above 0.
 */
export function fitAlphaBeta(times: readonly MessageTime[]): AlphaBeta {
  if (new Set(times.map(({bytes}) => bytes)).size < 2)
    throw new ManyHandsError(
      'BAD_DATA',
      `fitAlphaBeta: times of at least two lengths are needed; there are ${times.length} times of one length.`,
    );
  const wrong = times.find(({bytes, seconds}) => !(seconds > 0) || !(bytes >= 0));
  if (wrong)
    throw new ManyHandsError(
      'BAD_DATA',
      `fitAlphaBeta: bytes must be 0 or more and seconds above 0; one is ${wrong.bytes} bytes in ${wrong.seconds} s.`,
    );
  // Each equation α + nβ = t divided by t: two unknowns, their normal equations solved.
  let [a, ab, b, ta, tb] = [0, 0, 0, 0, 0];
  for (const {bytes, seconds} of times) {
    const [one, n] = [1 / seconds, bytes / seconds];
    a += one * one;
    ab += one * n;
    b += n * n;
    ta += one;
    tb += n;
  }
  const determinant = a * b - ab * ab;
  let alpha = (ta * b - tb * ab) / determinant;
  let beta = (tb * a - ta * ab) / determinant;
  if (alpha < 0) [alpha, beta] = [0, tb / b];
  if (beta < 0) [alpha, beta] = [ta / a, 0];
  return {alpha, beta, at: (bytes) => alpha + bytes * beta};
}
