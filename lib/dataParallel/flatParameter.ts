/**
 * Weights that lie in one flat array, of shared memory for one: what is written into
 * the array, by whomever, the engine sees.
 */
import * as tf from '@tensorflow/tfjs';
import type {FlatSlice} from './packFlat';
import {ArrayTensor} from '../devices/arrayTensor';
import {holdArray, tagMemory} from '../memory';

export class FlatParameter {
  private readonly views: ArrayTensor[] = [];
  /**
   * Weights that the engine keeps to itself (odd lengths, mostly): they are taken anew from the
   * array after each update.
   */
  private readonly copied: FlatSlice[] = [];
  private readonly release: () => void;

  /** `empty`: the weights have no values yet, and get those of the array. */
  constructor(
    places: readonly FlatSlice[],
    readonly flat: Float32Array,
    private readonly empty = false,
  ) {
    this.release = holdArray(flat, 'parameters');
    for (const place of places) this.adopt(place);
  }

  /** The weight moves into the flat array. */
  private adopt(place: FlatSlice): void {
    const {
      entry: {variable},
      start,
      length,
    } = place;
    const before = this.empty ? null : (variable.dataSync().slice() as Float32Array);
    const view = new ArrayTensor(this.flat.subarray(start, start + length));
    this.views.push(view);
    if (before) view.values.set(before);
    if (!view.shared) {
      this.copied.push(place);
      return;
    }
    const tensor = view.tensor(variable.shape);
    variable.assign(tensor);
    tensor.dispose();
  }

  /** Elements that the engine does not see where they lie. */
  get copiedElements(): number {
    return this.copied.reduce((sum, {length}) => sum + length, 0);
  }

  /** The array has been written: the engine's own copies follow. */
  refresh(): void {
    for (const {
      entry: {variable},
      start,
      length,
    } of this.copied) {
      const fresh = tf.tensor(this.flat.slice(start, start + length), variable.shape);
      variable.assign(fresh);
      tagMemory(variable, 'parameters');
      fresh.dispose();
    }
  }

  dispose(): void {
    for (const view of this.views) view.dispose();
    this.release();
  }
}
