/**
 * The size of the course's experiments, from the environment variable COURSE_SCALE.
 */
import {ManyHandsError, oneOf, shown} from './errors';

/** The size of the course's experiments: for CI, for a CPU (the default), or for a GPU. */
export type CourseScale = 'ci' | 'cpu' | 'gpu';
const SCALES: readonly CourseScale[] = ['ci', 'cpu', 'gpu'];

/**
 * The value for the current scale: `courseScale({ci: 2_000, cpu: 20_000, gpu: 60_000})`. Without
 * COURSE_SCALE the scale is 'cpu'. 'gpu' is never chosen automatically, because it takes the time
 * of a real GPU. Throws BAD_OPTION for any other name.
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
