/**
 * The forms of data that `train` accepts.
 */
import type * as tf from '@tensorflow/tfjs';

/** The element types that are sent to a worker unchanged: 1 byte or 4 bytes per element. */
export type ArrayValues = Uint8Array | Int32Array | Float32Array;

/**
 * A typed array with its shape [samples, ...]. `scale` multiplies every element when a batch
 * becomes a tensor (1/255 turns pixel bytes into 0..1), so the array itself is sent in its own
 * type.
 */
export interface ShapedArray {
  values: ArrayValues;
  shape: number[];
  /** @default 1 */
  scale?: number;
}

/** One input or output of a model: a tensor, or a typed array with its shape. */
export type DataArray = tf.Tensor | ShapedArray;

/** The arrays of a model's inputs or outputs: one, a list in the model's order, or by name. */
export type DataPart = DataArray | DataArray[] | Record<string, DataArray>;

/** Samples and their targets. */
export interface DataArrays {
  xs: DataPart;
  ys: DataPart;
}

/**
 * A data set that each worker loads itself. `module` is a URL or a package name; its `export`
 * (default: `default`) is a function that takes `args` and returns, or resolves to, `{xs, ys}` of
 * shaped arrays.
 */
export interface DataModule {
  module: string;
  export?: string;
  args?: unknown;
}

/** What `train` accepts as data. */
export type Data = DataArrays | DataModule;
