/**
 * What the models share: how they are compiled, and initial weights that depend on the
 * seed and the layer's name alone.
 */
import * as tf from '@tensorflow/tfjs';
import {anything, type OptionTable} from '../base/options';
import {seedFor} from '../base/random';

/** Options of every model. */
export interface CompileOptions {
  /** For the initial weights; the same seed gives the same bits. 42 without it. */
  seed?: number;
  /** tfjs's name of an optimizer, or one of its optimizers. */
  optimizer?: string | tf.Optimizer;
  /** tfjs's name of a loss, or a function. */
  loss?: string | ((target: tf.Tensor, output: tf.Tensor) => tf.Tensor);
  /** tfjs's names of metrics. */
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

/** Compiles `model` with what was asked for, or else with `defaults`; returns it. */
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

/** Glorot and Bengio's uniform kernel (2010), for the named layer of a model with `seed`. */
export function glorot(
  seed: number,
  layer: string,
): ReturnType<typeof tf.initializers.glorotUniform> {
  return tf.initializers.glorotUniform({seed: seedFor(seed, layer, 'kernel')});
}

/** He et al.'s normal kernel (2015), for a layer before a ReLU. */
export function he(seed: number, layer: string): ReturnType<typeof tf.initializers.heNormal> {
  return tf.initializers.heNormal({seed: seedFor(seed, layer, 'kernel')});
}
