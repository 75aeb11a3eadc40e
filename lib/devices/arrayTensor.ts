/**
 * A tensor whose buffer is an array of the program, for example in shared memory. TensorFlow on a
 * CPU does not copy the array, neither when it makes the tensor nor when an operation writes into
 * it. A trial shows whether an engine copies.
 */
import {CACHE_LINE_BYTES} from '../base/cacheLine';
import * as tf from '@tensorflow/tfjs';
import type {TensorFlowBackend} from './backend';
import {engineInfo} from './engine';

function backend(): TensorFlowBackend {
  return tf.backend() as unknown as TensorFlowBackend;
}

let rowIndex: tf.Tensor | null = null;

/** The index of the row that is overwritten: the first and only row. */
function firstRow(): tf.Tensor {
  rowIndex ??= tf.keep(tf.tensor1d([0], 'int32'));
  return rowIndex;
}

export class ArrayTensor {
  /** The array as a tensor [1, length]; null if the engine copies. */
  private readonly row: tf.Tensor | null;

  /** The trial may overwrite the values. */
  constructor(readonly values: Float32Array) {
    const mayAlias = engineInfo().name === 'tensorflow' && !engineInfo().gpu && values.length > 0;
    this.row = mayAlias ? tf.tensor(values, [1, values.length]) : null;
    if (this.row && !this.aliases()) {
      this.dispose();
      this.row = null;
    }
  }

  /** Whether the engine and the program each read what the other wrote. */
  private aliases(): boolean {
    const {values} = this;
    const probe = tf.fill([1, values.length], 3);
    this.write(probe);
    probe.dispose();
    if (values[0] !== 3 || values[values.length - 1] !== 3) return false;
    values[0] = 5;
    return tf.tidy(() => tf.add(this.row!, 1).dataSync()[0]) === 6;
  }

  /** Whether the engine uses the array itself, not a copy. */
  get shared(): boolean {
    return this.row !== null;
  }

  private write(tensor: tf.Tensor): void {
    const {binding} = backend();
    const type = {name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT};
    tf.dispose(
      backend().executeSingleOutput(
        'InplaceUpdate',
        [type],
        [this.row!, firstRow(), tensor],
      ) as tf.Tensor,
    );
  }

  /** Copies a tensor with the same number of elements into the array. */
  fill(tensor: tf.Tensor): void {
    if (!this.row) {
      this.values.set(tensor.dataSync() as Float32Array);
      return;
    }
    const row = tf.reshape(tensor, [1, this.values.length]);
    this.write(row);
    row.dispose();
  }

  /** A tensor over the array if it is `shared`, else over a copy; the caller disposes of it. */
  tensor(shape: number[]): tf.Tensor {
    return this.row ? tf.reshape(this.row, shape) : tf.tensor(this.values.slice(), shape);
  }

  dispose(): void {
    this.row?.dispose();
  }
}

/**
 * An array that the threads of a process share, at an address at which the engine does not copy it,
 * if there is such an address. A buffer can start at any multiple of 16.
 */
export function sharedArray(length: number): Float32Array {
  const buffer = new SharedArrayBuffer(4 * length + CACHE_LINE_BYTES);
  for (let start = 0; start < CACHE_LINE_BYTES; start += 16) {
    const trial = new ArrayTensor(new Float32Array(buffer, start, 4));
    trial.values.fill(0);
    trial.dispose();
    if (trial.shared) return new Float32Array(buffer, start, length);
  }
  return new Float32Array(buffer, 0, length);
}
