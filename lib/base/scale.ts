/**
 * How large the course's experiments are, by the environment variable COURSE_SCALE.
 */
import {ManyHandsError, oneOf, shown} from './errors';

/** The sizes of the course's experiments: for CI, for a CPU (the default), for a GPU. */
export type CourseScale = 'ci' | 'cpu' | 'gpu';
const SCALES: readonly CourseScale[] = ['ci', 'cpu', 'gpu'];

/**
 * The value for the scale in force: `courseScale({ci: 2_000, cpu: 20_000, gpu: 60_000})`. Without
 * COURSE_SCALE it is 'cpu'; 'gpu' has to be asked for, since it is worth a real GPU's time. Throws
 * BAD_OPTION on any other.
 */
export function courseScale<T>(values: Record<CourseScale, T>): T {
  const asked = process.env.COURSE_SCALE || 'cpu';
  if (!(SCALES as readonly string[]).includes(asked)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `COURSE_SCALE is ${shown(asked)}; it may be ${oneOf(SCALES)}.`,
    );
  }
  return values[asked as CourseScale];
}
