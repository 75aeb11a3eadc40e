/**
 * Weights that are fetched when they are touched: while a callback runs, the first access to a
 * weight, or to the optimizer's state, fetches the current values from the ranks.
 */
import type * as tf from '@tensorflow/tfjs';
import type {LiveModel} from '../model/modelWeights';
import {optimizerFields} from '../model/tfjsInternals';

/** One property that is watched, and the value that it has meanwhile. */
interface Watched {
  object: object;
  key: string;
  value: unknown;
}

/** The data of the weights, and of the optimizer its lists and counters, which move in each step. */
function watchedOf({weights, optimizer}: LiveModel): Watched[] {
  const dataOf = (variable: tf.Variable): Watched => ({
    object: variable,
    key: 'dataId',
    value: variable.dataId,
  });
  const isVariable = (value: unknown): value is tf.Variable =>
    (value as Partial<tf.Variable> | null)?.assign !== undefined;
  const fields = Object.entries(optimizerFields(optimizer));
  return [
    ...weights.map((weight) => dataOf(weight.read())),
    ...fields.flatMap(([, value]) => (isVariable(value) ? [dataOf(value)] : [])),
    ...fields.flatMap(([key, value]) =>
      Array.isArray(value)
        ? [
            {object: optimizer, key, value},
            ...value.flatMap((slot: {variable: tf.Variable} | undefined) =>
              slot ? [dataOf(slot.variable)] : [],
            ),
          ]
        : [],
    ),
  ];
}

/**
 * Calls `fetch` at the first access to the model's weights or to its optimizer's state. The caller
 * must call the returned function, which ends the watch.
 */
export function fetchOnTouch(live: LiveModel, fetch: () => void): () => void {
  let watched = watchedOf(live);
  const end = () => {
    for (const {object, key, value} of watched)
      Object.defineProperty(object, key, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    watched = [];
  };
  for (const {object, key} of watched) {
    const touched = () => {
      end();
      fetch();
    };
    Object.defineProperty(object, key, {
      configurable: true,
      enumerable: true,
      get: () => {
        touched();
        return Reflect.get(object, key) as unknown;
      },
      set: (value: unknown) => {
        touched();
        Reflect.set(object, key, value);
      },
    });
  }
  return end;
}
