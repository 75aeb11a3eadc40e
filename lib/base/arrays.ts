/**
 * The forms in which data may be given to `train`, and what a worker needs to know of
 * them.
 */
import type * as tf from '@tensorflow/tfjs';

/** The element types that cross to a worker in their own width: 1 byte or 4 bytes an element. */
export type ArrayValues = Uint8Array | Int32Array | Float32Array;

/**
 * A typed array with its shape: the first dim counts samples. `scale` multiplies every element when
 * a batch becomes a tensor (1/255 turns pixel bytes into 0..1), so that the array itself crosses in
 * its own type.
 */
export interface ShapedArray {
  values: ArrayValues;
  shape: number[];
  /** 1 without it. */
  scale?: number;
}

/** One input or output of a model: a tensor, or a typed array with its shape. */
export type DataArray = tf.Tensor | ShapedArray;

/** Samples and their targets; lists where a model has several inputs or outputs. */
export interface DataArrays {
  xs: DataArray | DataArray[];
  ys: DataArray | DataArray[];
}

/**
 * A data set that a worker opens for itself: `module` (a URL or a package name) whose `export`
 * (default: `default`) is a function that is called with `args` and returns, or resolves to, `{xs,
 * ys}` of shaped arrays.
 */
export interface DataModule {
  module: string;
  export?: string;
  args?: unknown;
}

/** What `train` accepts as data. */
export type Data = DataArrays | DataModule;
