/**
 * Variables without values: their shape and name stay, their memory is free until they
 * are assigned again.
 */
import * as tf from '@tensorflow/tfjs';
import {engineInternals, layerPrototype, setDataId} from './tfjsInternals';

let nothing: tf.Tensor | null = null;

/** Frees what `variable` holds; it must be assigned before an operation reads it. */
export function freeStorage(variable: tf.Variable): void {
  nothing ??= tf.keep(tf.zeros([1]));
  if (variable.dataId === nothing.dataId) return;
  const engine = engineInternals();
  engine.disposeTensor(variable);
  // As `assign` does, without its check of the shape.
  setDataId(variable, nothing.dataId);
  engine.incRef(variable, null);
}

/**
 * Whatever layers `build` makes starts without values, so that no more than one weight is alive at
 * once.
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
