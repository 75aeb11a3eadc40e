/**
 * Keeps a model that is being trained from being trained or evaluated in another way: the ranks
 * have its current weights, and the caller's model has them only while a callback runs.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {innerModel, isTraining, setTraining} from '../model/tfjsInternals';

const GUARDED = ['trainOnBatch', 'evaluate', 'evaluateDataset'] as const;

/**
 * Marks `model` as being trained: tfjs then refuses `fit` and `fitDataset`. Its other methods throw
 * BAD_MODEL unless `isAllowed`. Returns the function that ends it. Throws BAD_MODEL if the model is
 * being trained already.
 */
export function guardModel(model: tf.LayersModel, isAllowed: () => boolean): () => void {
  const inner = innerModel(model);
  if (isTraining(inner))
    throw new ManyHandsError(
      'BAD_MODEL',
      'this model is already being trained: await that run first.',
    );
  setTraining(inner, true);
  for (const name of GUARDED) {
    const method = inner[name] as (...args: unknown[]) => unknown;
    const guarded = (...args: unknown[]) => {
      if (isAllowed()) return method.apply(inner, args);
      throw new ManyHandsError(
        'BAD_MODEL',
        `model.${name}() was called while the model is being trained: its current weights are in the workers. Await the training first, or call it in a callback.`,
      );
    };
    Object.defineProperty(inner, name, {value: guarded, configurable: true, writable: true});
  }
  return () => {
    setTraining(inner, false);
    for (const name of GUARDED) Reflect.deleteProperty(inner, name);
  };
}
