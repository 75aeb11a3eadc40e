/**
 * Frees the memory of variables: their names and shapes stay, and they need new values
 * before they are read.
 */
import * as tf from '@tensorflow/tfjs';
import {engineInternals, layerPrototype, setDataId} from './tfjsInternals';

let placeholder: tf.Tensor | null = null;

/** Frees the memory of `variable`, which must be assigned before an operation reads it. */
export function freeStorage(variable: tf.Variable): void {
  placeholder ??= tf.keep(tf.zeros([1]));
  if (variable.dataId === placeholder.dataId) return;
  const engine = engineInternals();
  engine.disposeTensor(variable);
  // As `assign` does, without its check of the shape.
  setDataId(variable, placeholder.dataId);
  engine.incRef(variable, null);
}

/**
 * Runs `build` so that every float weight of the layers that it makes starts without memory. Never
 * more than one such weight is alive at once.
 */
export async function withFreedStorage<T>(build: () => Promise<T>): Promise<T> {
  const prototype = layerPrototype();
  const {addWeight} = prototype;
  prototype.addWeight = function addFreedWeight(this: tf.layers.Layer, ...args: unknown[]) {
    const [name, shape, dtype, , ...rest] = args;
    const weight = addWeight.call(this, name, shape, dtype, tf.initializers.zeros(), ...rest);
    const variable = weight.read() as tf.Variable;
    if (variable.dtype === 'float32') freeStorage(variable);
    return weight;
  };
  try {
    return await build();
  } finally {
    prototype.addWeight = addWeight;
  }
}
