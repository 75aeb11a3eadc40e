/**
 * Element types by TensorFlow's numbers (TF_DataType in tf_datatype.h), and the bytes of
 * an element.
 */
import type * as tf from '@tensorflow/tfjs';

export const FLOAT = 1;
export const INT32 = 3;
export const STRING = 7;
export const COMPLEX64 = 8;
export const INT64 = 9;
export const BOOL = 10;
export const RESOURCE = 20;

/**
 * Bytes an element by TF_DataType. A string counts its handle (sizeof TF_TString) without its
 * characters; a resource is a handle without a buffer.
 */
const BYTES: Record<number, number> = {
  [FLOAT]: 4,
  2: 8,
  [INT32]: 4,
  4: 1,
  5: 2,
  6: 1,
  [STRING]: 24,
  [COMPLEX64]: 8,
  [INT64]: 8,
  [BOOL]: 1,
  14: 2,
  17: 2,
  18: 16,
  19: 2,
  [RESOURCE]: 0,
  22: 4,
  23: 8,
};

const NUMBERS: Record<string, number> = {
  float32: FLOAT,
  int32: INT32,
  bool: BOOL,
  complex64: COMPLEX64,
  string: STRING,
};

/** The TF_DataType of a tfjs dtype. */
export function typeNumber(dtype: string): number {
  return NUMBERS[dtype] ?? FLOAT;
}

/** The tfjs dtype of a TF_DataType; 'int64', which tfjs lacks, for INT64; else 'float32'. */
export function typeName(type: number): tf.DataType {
  const known = Object.entries(NUMBERS).find(([, number]) => number === type)?.[0];
  return (known ?? (type === INT64 ? 'int64' : 'float32')) as tf.DataType;
}

export function elementBytes(type: number): number {
  return BYTES[type] ?? 4;
}

/** The number of elements of a shape. */
export function elements(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

export function tensorBytes(shape: readonly number[], type: number): number {
  return elements(shape) * elementBytes(type);
}
