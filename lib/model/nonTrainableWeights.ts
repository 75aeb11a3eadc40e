/**
 * Weights that are not trained: batch norm's averages, which move while a layer is
 * applied, and frozen layers'.
 */
import * as tf from '@tensorflow/tfjs';
import {nonTrainableWeightsOf} from './tfjsInternals';

const known = new WeakMap<object, tf.Variable[]>();

/** Those of a layer or of a model, each once. */
export function nonTrainableWeights(layer: tf.layers.Layer | tf.LayersModel): tf.Variable[] {
  let variables = known.get(layer);
  if (!variables) {
    variables = [...new Set(nonTrainableWeightsOf(layer).map((weight) => weight.read()))];
    known.set(layer, variables);
  }
  return variables;
}

/**
 * Remembers what `variables` hold; the function that it returns puts that back, and must be called.
 */
export function remember(variables: readonly tf.Variable[]): () => void {
  const before = variables.map((variable) => tf.clone(variable));
  return () => {
    variables.forEach((variable, i) => {
      if (variable.dataId !== before[i].dataId) variable.assign(before[i]);
      before[i].dispose();
    });
  };
}
