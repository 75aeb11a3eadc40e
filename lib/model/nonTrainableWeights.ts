/**
 * Weights that are not trained: those of frozen layers, and batch norm's averages, which
 * change whenever the layer is applied.
 */
import * as tf from '@tensorflow/tfjs';
import {nonTrainableWeightsOf} from './tfjsInternals';

const variablesOfLayer = new WeakMap<object, tf.Variable[]>();

/** The non-trainable variables of a layer or a model, each once. */
export function nonTrainableWeights(layer: tf.layers.Layer | tf.LayersModel): tf.Variable[] {
  let variables = variablesOfLayer.get(layer);
  if (!variables) {
    variables = [...new Set(nonTrainableWeightsOf(layer).map((weight) => weight.read()))];
    variablesOfLayer.set(layer, variables);
  }
  return variables;
}

/**
 * Saves the values of `variables`. The caller must call the returned function, which restores them.
 */
export function remember(variables: readonly tf.Variable[]): () => void {
  const saved = variables.map((variable) => tf.clone(variable));
  return () => {
    variables.forEach((variable, i) => {
      if (variable.dataId !== saved[i].dataId) variable.assign(saved[i]);
      saved[i].dispose();
    });
  };
}
