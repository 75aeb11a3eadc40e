/**
 * `many-hands/data`: data sets that come with npm packages or are drawn from a seed, and seeded
 * random numbers.
 */
export * from '../data';
export {permutation, Random} from '../base/random';
export type {
  ArrayValues,
  Data,
  DataArray,
  DataArrays,
  DataModule,
  ShapedArray,
} from '../base/arrays';
