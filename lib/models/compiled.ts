/**
 * Compilation of the models, and initial weights that depend only on the seed and the layer's name.
 */
import * as tf from '@tensorflow/tfjs';
import {anything, type OptionTable} from '../base/options';
import {seedFor} from '../base/random';

/** The options of every model. */
export interface CompileOptions {
  /** The seed of the initial weights; the same seed gives the same bits. @default 42 */
  seed?: number;
  /** An optimizer of tfjs, or its name. */
  optimizer?: string | tf.Optimizer;
  /** The name of a loss in tfjs, or a function. */
  loss?: string | ((target: tf.Tensor, output: tf.Tensor) => tf.Tensor);
  /** The names of metrics in tfjs. */
  metrics?: string[];
}

/** The checks of `CompileOptions`, whose values tfjs checks itself. */
export const COMPILE_OPTIONS: OptionTable<CompileOptions> = {
  'seed?': anything,
  'optimizer?': anything,
  'loss?': anything,
  'metrics?': anything,
};
export const DEFAULT_SEED = 42;

/** Compiles a model with `options`, or `defaults` for those left out; returns the model. */
export function compiled<M extends tf.LayersModel>(
  model: M,
  options: CompileOptions,
  defaults: {optimizer: () => tf.Optimizer; loss: string; metrics: string[]},
): M {
  model.compile({
    optimizer: options.optimizer ?? defaults.optimizer(),
    loss: options.loss ?? defaults.loss,
    metrics: options.metrics ?? defaults.metrics,
  });
  return model;
}

/** Glorot and Bengio's uniform initializer (2010) for the kernel of a layer. */
export function glorot(
  seed: number,
  layer: string,
): ReturnType<typeof tf.initializers.glorotUniform> {
  return tf.initializers.glorotUniform({seed: seedFor(seed, layer, 'kernel')});
}

/** He et al.'s normal initializer (2015) for the kernel of a layer before a ReLU. */
export function he(seed: number, layer: string): ReturnType<typeof tf.initializers.heNormal> {
  return tf.initializers.heNormal({seed: seedFor(seed, layer, 'kernel')});
}
