/**
 * The operations of tfjs-core that draw random numbers (tfjs-core 4.22), and where they stand.
 */
import {createRequire} from 'node:module';
import type * as tf from '@tensorflow/tfjs';

type Seed = number | string;
type NoiseShape = ReadonlyArray<number | null>;

/** The operations of tfjs-core that draw random numbers; without a seed they draw a new one. */
export interface RandomOps {
  randomUniform(
    shape: number[],
    low?: number,
    high?: number,
    dtype?: tf.DataType,
    seed?: Seed,
  ): tf.Tensor;
  randomUniformInt(shape: number[], low: number, high: number, seed?: Seed): tf.Tensor;
  randomNormal(
    shape: number[],
    mean?: number,
    deviation?: number,
    dtype?: tf.DataType,
    seed?: number,
  ): tf.Tensor;
  randomStandardNormal(shape: number[], dtype?: tf.DataType, seed?: number): tf.Tensor;
  truncatedNormal(
    shape: number[],
    mean?: number,
    deviation?: number,
    dtype?: tf.DataType,
    seed?: number,
  ): tf.Tensor;
  randomGamma(
    shape: number[],
    alpha: number,
    beta?: number,
    dtype?: tf.DataType,
    seed?: number,
  ): tf.Tensor;
  rand(shape: number[], next: () => number, dtype?: tf.DataType): tf.Tensor;
  dropout(
    x: tf.Tensor | tf.TensorLike,
    rate: number,
    noiseShape?: NoiseShape,
    seed?: Seed,
  ): tf.Tensor;
  multinomial(
    logits: tf.Tensor | tf.TensorLike,
    count: number,
    seed?: number,
    normalized?: boolean,
  ): tf.Tensor;
}

/**
 * The exports of tfjs-core. tfjs, its layers and its engines read them anew at each call (checked
 * for 4.22), so that an operation that is replaced here is replaced for them too.
 */
export function coreExports(): RandomOps {
  const exports: unknown = createRequire(require.resolve('@tensorflow/tfjs'))(
    '@tensorflow/tfjs-core',
  );
  return exports as RandomOps;
}
