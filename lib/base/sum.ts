/**
 * Either side. The sum.
 */

/** The sum of a list of numbers; of none, 0. */
export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
