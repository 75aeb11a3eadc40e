/**
 * Checks that tokens are in range, where the data goes straight into a look-up: an engine on a GPU
 * returns zeros for a token without a row.
 */
import type {ShapedArray} from '../base/arrays';
import {ManyHandsError} from '../base/errors';
import type {Graph} from '../model/graph';
import {lookupRows} from '../model/tfjsLayers';
import type {CheckedData} from './checkData';

/** The index of the first value that is not in 0, ..., rows - 1 as an integer; -1 without one. */
function strayIndex({values, scale = 1}: ShapedArray, rows: number): number {
  for (let i = 0; i < values.length; i++) {
    const token = Math.trunc(values[i] * scale);
    if (token < 0 || token >= rows) return i;
  }
  return -1;
}

/**
 * Throws BAD_DATA with the layer and the sample for a token that has no row in the table of the layer
 * that looks it up.
 */
export function checkTokens({calls, inputs}: Graph, {xs}: CheckedData, what: string): void {
  for (const {name, layer, inputs: slots} of calls) {
    const input = inputs.indexOf(slots[0]);
    const array = xs[input];
    const rows = array ? lookupRows(layer, array.shape.length) : null;
    if (rows === null) continue;
    const stray = strayIndex(array, rows);
    if (stray < 0) continue;
    const sample = Math.floor(stray / (array.values.length / array.shape[0]));
    throw new ManyHandsError(
      'BAD_DATA',
      `${what}.xs${inputs.length > 1 ? `[${input}]` : ''} holds the token ${array.values[stray]} in sample ${sample}, and the table of the layer '${name}' has ${rows} rows: tokens are whole numbers from 0 to ${rows - 1}. Correct the data, or give the layer a larger inputDim.`,
    );
  }
}
