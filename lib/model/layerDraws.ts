/**
 * What the draws of a user's layer are for, as the caller found out before the training
 * (lib/step/findDraws.ts). tfjs's own layers need no such list.
 */
import type * as tf from '@tensorflow/tfjs';
import type {RowsPerSample} from '../base/stepContext';
import type {CallDraws} from './description';
import {readGraph} from './graph';

const known = new WeakMap<tf.layers.Layer, Map<number, CallDraws>>();

/** Tells the calls of a rebuilt model what they draw. */
export function setLayerDraws(model: tf.LayersModel, draws: readonly CallDraws[]): void {
  if (draws.length === 0) return;
  const {calls} = readGraph(model);
  for (const callDraws of draws) {
    const {layer} = calls[callDraws.call];
    const byCall = known.get(layer) ?? new Map<number, CallDraws>();
    known.set(layer, byCall.set(callDraws.call, callDraws));
  }
}

/** The rows per sample of a call's draws, in order; null if their shapes tell them. */
export function rowsOfDraws(
  {layer, index}: {layer: tf.layers.Layer; index: number},
  training: boolean,
): readonly RowsPerSample[] | null {
  return known.get(layer)?.get(index)?.[training ? 'training' : 'evaluation'] ?? null;
}
