/**
 * The two constants of a link: α, seconds per message, and β, seconds per byte.
 */
import {ManyHandsError} from '../base/errors';

/** A measured time of one message: its length in bytes, and seconds. */
export interface MessageTime {
  /** The length of the message. */
  bytes: number;
  seconds: number;
}

/** A link's two constants. */
export interface AlphaBeta {
  /** Seconds per message, whatever its length. */
  alpha: number;
  /** Seconds per byte; 1/β is the bandwidth in bytes per second. */
  beta: number;
  /** Seconds for a message of `bytes` bytes: α + nβ. */
  at(bytes: number): number;
}

/**
 * Fits α and β of t(n) = α + nβ (Hockney 1994) by least squares of the relative errors, so that
 * short messages count as much as long ones; neither constant is below 0. Throws BAD_DATA if there
 * are fewer than two lengths, or if a time is not above 0.
 */
export function fitAlphaBeta(times: readonly MessageTime[]): AlphaBeta {
  if (new Set(times.map(({bytes}) => bytes)).size < 2)
    throw new ManyHandsError(
      'BAD_DATA',
      `fitAlphaBeta needs times of at least two lengths; it got ${times.length} times of one length.`,
    );
  const wrong = times.find(({bytes, seconds}) => !(seconds > 0) || !(bytes >= 0));
  if (wrong)
    throw new ManyHandsError(
      'BAD_DATA',
      `fitAlphaBeta: bytes must be 0 or more and seconds above 0; one time is ${wrong.bytes} bytes in ${wrong.seconds} s.`,
    );
  // Each equation α + nβ = t is divided by t; then the normal equations of the two unknowns are
  // solved.
  let [a, ab, b, ta, tb] = [0, 0, 0, 0, 0];
  for (const {bytes, seconds} of times) {
    const [u, n] = [1 / seconds, bytes / seconds];
    a += u * u;
    ab += u * n;
    b += n * n;
    ta += u;
    tb += n;
  }
  const determinant = a * b - ab * ab;
  let alpha = (ta * b - tb * ab) / determinant;
  let beta = (tb * a - ta * ab) / determinant;
  if (alpha < 0) [alpha, beta] = [0, tb / b];
  if (beta < 0) [alpha, beta] = [ta / a, 0];
  return {alpha, beta, at: (bytes) => alpha + bytes * beta};
}
