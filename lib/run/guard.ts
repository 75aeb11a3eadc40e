/**
 * Keeps a model that is being trained from being trained or evaluated in another way: the ranks
 * have its current weights, and the caller's model has them only while a callback runs.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {
  innerModel,
  isTraining,
  setStopTraining,
  setTraining,
  stopsTraining,
} from '../model/tfjsInternals';

const GUARDED = ['trainOnBatch', 'evaluate', 'evaluateDataset'] as const;

/** What may be done with the model at the moment. */
export interface Allowed {
  /** Whether a callback runs: the caller's model then has the current weights. */
  isInCallback(): boolean;
  /** Whether the ranks ask for the flag `stopTraining` after each batch, as fit does. */
  hearsStop(): boolean;
}

/** Throws where the flag is set and no rank would hear of it; returns the function that ends it. */
function guardStop(inner: tf.LayersModel, {isInCallback, hearsStop}: Allowed): () => void {
  let stop = stopsTraining(inner);
  Object.defineProperty(inner, 'stopTraining_', {
    configurable: true,
    enumerable: true,
    get: () => stop,
    set: (value: boolean) => {
      if (value && !isInCallback() && !hearsStop())
        throw new ManyHandsError(
          'BAD_MODEL',
          'model.stopTraining was set while no callback runs, and the workers would not hear of it: add callbacks: {onBatchEnd: () => {}} so that they ask after each batch, or end the training with signal.',
        );
      stop = value;
    },
  });
  return () => {
    Reflect.deleteProperty(inner, 'stopTraining_');
    setStopTraining(inner, stop);
  };
}

/**
 * Marks `model` as being trained: tfjs then refuses `fit` and `fitDataset`. Its other methods, and
 * a stop that no rank would hear of, throw BAD_MODEL. Returns the function that ends it. Throws
 * BAD_MODEL if the model is being trained already.
 */
export function guardModel(model: tf.LayersModel, allowed: Allowed): () => void {
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
      if (allowed.isInCallback()) return method.apply(inner, args);
      throw new ManyHandsError(
        'BAD_MODEL',
        `model.${name}() was called while the model is being trained: its current weights are in the workers. Await the training first, or call it in a callback.`,
      );
    };
    Object.defineProperty(inner, name, {value: guarded, configurable: true, writable: true});
  }
  const releaseStop = guardStop(inner, allowed);
  return () => {
    releaseStop();
    setTraining(inner, false);
    for (const name of GUARDED) Reflect.deleteProperty(inner, name);
  };
}
