/**
 * Errors of single layers, with the layer's name and the cause in words.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../base/errors';
import type {LayerCall} from '../model/graph';
import {lookupRows} from '../model/tfjsLayers';

/** How engines say that memory is used up, which is no fault of the layer. */
const OUT_OF_MEMORY = /\bOOM\b|resource ?exhausted|out of memory/i;

const shapes = (tensors: tf.Tensor[]) => tensors.map(({shape}) => `[${shape}]`).join(' and ');

/** The error for tokens that have no row in an embedding's table of `rows` rows. */
export function outOfRange(name: string, token: number, rows: number): ManyHandsError {
  return new ManyHandsError(
    'BAD_DATA',
    `the layer '${name}' got the token ${token}, and its table has ${rows} rows: tokens are whole numbers from 0 to ${rows - 1}. Correct the data, or give the layer a larger inputDim.`,
  );
}

/** The smallest or the largest of `tokens` if it is not in 0, ..., rows - 1; null if all are. */
export function strayToken(tokens: tf.Tensor, rows: number): number | null {
  const extreme = (reduce: typeof tf.min) =>
    tf.tidy(() => reduce(tf.cast(tokens, 'int32')).dataSync()[0]);
  const least = extreme(tf.min);
  if (least < 0) return least;
  const most = extreme(tf.max);
  return most >= rows ? most : null;
}

/**
 * Runs `apply`, the layer's work on `inputs`. Throws BAD_DATA for tokens out of range, and BAD_MODEL
 * for any other error of tfjs or of the layer itself.
 */
export function explained<T>(
  {layer, name}: LayerCall,
  inputs: tf.Tensor[],
  mask: tf.Tensor | null,
  apply: () => T,
): T {
  try {
    return apply();
  } catch (error) {
    if (error instanceof ManyHandsError || OUT_OF_MEMORY.test(messageOf(error))) throw error;
    const rows = lookupRows(layer, inputs[0].rank);
    const token = rows === null ? null : strayToken(inputs[0], rows);
    if (token !== null) throw outOfRange(name, token, rows!);
    const masked = mask
      ? ` It got a mask of shape [${mask.shape}]; tfjs hands the last mask on to every later layer.`
      : '';
    throw new ManyHandsError(
      'BAD_MODEL',
      `the layer '${name}' (${layer.getClassName()}) failed on inputs of shape ${shapes(inputs)}: ${messageOf(error)}${masked}`,
      {cause: error},
    );
  }
}
