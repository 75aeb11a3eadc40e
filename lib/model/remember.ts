/**
 * Saves variables and restores them: batch norm's averages change whenever the layer is applied.
 */
import * as tf from '@tensorflow/tfjs';

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
