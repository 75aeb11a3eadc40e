/**
 * A tensor whose buffer is an array of the program, in shared memory for one:
 * TensorFlow on a CPU neither copies the array when it makes the tensor nor when an operation
 * writes into it. Where an engine does copy, that is found out by trying.
 */
import * as tf from '@tensorflow/tfjs';
import type {TensorFlowBackend} from './backend';
import {engineInfo} from './engine';

/**
 * TensorFlow takes an array as it is where it begins on a multiple of this (its
 * EIGEN_MAX_ALIGN_BYTES).
 */
const ALIGN_BYTES = 64;

function backend(): TensorFlowBackend {
  return tf.backend() as unknown as TensorFlowBackend;
}

let first: tf.Tensor | null = null;

/** The index of the one row that is overwritten. */
function firstRow(): tf.Tensor {
  first ??= tf.keep(tf.tensor1d([0], 'int32'));
  return first;
}

export class ArrayTensor {
  private readonly row: tf.Tensor | null;

  /** Its values may be overwritten in the trial. */
  constructor(readonly values: Float32Array) {
    const mayAlias = engineInfo().name === 'tensorflow' && !engineInfo().gpu && values.length > 0;
    this.row = mayAlias ? tf.tensor(values, [1, values.length]) : null;
    if (this.row && !this.aliases()) {
      this.dispose();
      this.row = null;
    }
  }

  /** Whether engine and program see one memory: each reads what the other wrote. */
  private aliases(): boolean {
    const {values} = this;
    const probe = tf.fill([1, values.length], 3);
    this.write(probe);
    probe.dispose();
    if (values[0] !== 3 || values[values.length - 1] !== 3) return false;
    values[0] = 5;
    return tf.tidy(() => tf.add(this.row!, 1).dataSync()[0]) === 6;
  }

  /** False where the engine keeps a copy of its own. */
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

  /** Copies `tensor`, of as many elements, into the array. */
  fill(tensor: tf.Tensor): void {
    if (!this.row) {
      this.values.set(tensor.dataSync() as Float32Array);
      return;
    }
    const row = tf.reshape(tensor, [1, this.values.length]);
    this.write(row);
    row.dispose();
  }

  /** A tensor over the array where it is `shared`, else over a copy; the caller's to dispose. */
  tensor(shape: number[]): tf.Tensor {
    return this.row ? tf.reshape(this.row, shape) : tf.tensor(this.values.slice(), shape);
  }

  dispose(): void {
    this.row?.dispose();
  }
}

/**
 * Memory that a rank's threads share, from an address at which the engine takes it as it is, where
 * there is such a one: a buffer itself begins at any multiple of 16.
 */
export function sharedArray(length: number): Float32Array {
  const buffer = new SharedArrayBuffer(4 * length + ALIGN_BYTES);
  for (let start = 0; start < ALIGN_BYTES; start += 16) {
    const trial = new ArrayTensor(new Float32Array(buffer, start, 4));
    trial.values.fill(0);
    trial.dispose();
    if (trial.shared) return new Float32Array(buffer, start, length);
  }
  return new Float32Array(buffer, 0, length);
}
