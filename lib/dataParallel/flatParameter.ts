/**
 * Weights that are slices of one flat array, for example in shared memory: the engine sees what any
 * rank writes into the array.
 */
import * as tf from '@tensorflow/tfjs';
import type {FlatSlice} from './packFlat';
import {ArrayTensor} from '../devices/arrayTensor';
import {holdArray, tagMemory} from '../memory';

export class FlatParameter {
  private readonly views: ArrayTensor[] = [];
  /** Weights that the engine copies, mostly those of odd lengths; see `refresh`. */
  private readonly copied: FlatSlice[] = [];
  private readonly release: () => void;

  /** `empty`: the weights have no values yet and get those of the array. */
  constructor(
    private readonly slices: readonly FlatSlice[],
    readonly flat: Float32Array,
    private readonly empty = false,
  ) {
    this.release = holdArray(flat, 'parameters');
    for (const slice of slices) this.adopt(slice);
  }

  /** Moves a weight into the flat array. */
  private adopt(slice: FlatSlice): void {
    const {
      entry: {variable},
      start,
      length,
    } = slice;
    const values = this.empty ? null : (variable.dataSync().slice() as Float32Array);
    const view = new ArrayTensor(this.flat.subarray(start, start + length));
    this.views.push(view);
    if (values) view.values.set(values);
    if (!view.shared) {
      this.copied.push(slice);
      return;
    }
    const tensor = view.tensor(variable.shape);
    variable.assign(tensor);
    tensor.dispose();
  }

  /** The array's elements that hold `variable`; undefined if it is not in the array. */
  valuesOf(variable: tf.Variable): Float32Array | undefined {
    const slice = this.slices.find(({entry}) => entry.variable === variable);
    return slice && this.flat.subarray(slice.start, slice.start + slice.length);
  }

  /** The number of elements that the engine copies. */
  get copiedElements(): number {
    return this.copied.reduce((sum, {length}) => sum + length, 0);
  }

  /** Call this after the array has changed: it updates the engine's own copies. */
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
