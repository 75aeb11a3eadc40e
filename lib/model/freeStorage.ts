/**
 * Frees the memory of variables: their names and shapes stay, and they need new values
 * before they are read.
 */
import * as tf from '@tensorflow/tfjs';
import {engineInternals, layerPrototype, setDataId} from './tfjsInternals';

let placeholder: tf.Tensor | null = null;

/**
 * The tensor to which variables without memory point. It belongs to the process, not to a run: a
 * worker makes it before it begins to count a run's memory.
 */
export function freedPlaceholder(): tf.Tensor {
  return (placeholder ??= tf.keep(tf.zeros([1])));
}

/** Frees the memory of `variable`, which must be assigned before an operation reads it. */
export function freeStorage(variable: tf.Variable): void {
  const placeholder = freedPlaceholder();
  if (variable.dataId === placeholder.dataId) return;
  const engine = engineInternals();
  engine.disposeTensor(variable);
  // As `assign` does, without its check of the shape.
  setDataId(variable, placeholder.dataId);
  engine.incRef(variable, null);
}

type AddWeight = ReturnType<typeof layerPrototype>['addWeight'];

/**
 * Calls `build` so that no initializer runs: the weights of the layers that it makes are zeros. With
 * `storageFreed` the float weights have no memory either, and never more than one of them is alive
 * at once. Only what `build` does before its first `await` counts, so other layers that the program
 * makes meanwhile are not affected.
 */
export function withoutInitializers<T>(build: () => Promise<T>, storageFreed: boolean): Promise<T> {
  const prototype = layerPrototype();
  const {addWeight} = prototype;
  const addZeros: AddWeight = function (this: tf.layers.Layer, ...args) {
    // The last argument is a function that chooses another initializer.
    const [name, shape, dtype, , regularizer, trainable, constraint] = args;
    const rest = [regularizer, trainable, constraint];
    const weight = addWeight.call(this, name, shape, dtype, tf.initializers.zeros(), ...rest);
    const variable = weight.read() as tf.Variable;
    if (storageFreed && variable.dtype === 'float32') freeStorage(variable);
    return weight;
  };
  prototype.addWeight = addZeros;
  try {
    return build();
  } finally {
    prototype.addWeight = addWeight;
  }
}
