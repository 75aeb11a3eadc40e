/**
 * Worker side. A tensor whose buffer is an array of the program, in shared memory for one: TensorFlow on a CPU neither copies the
 * array when it makes the tensor nor when an operation writes into it. Where an engine does copy, that is found out by trying.
 */
import * as tf from '@tensorflow/tfjs';
import {engineInfo, type TensorFlowBackend} from './engine';

/** TensorFlow takes an array as it is where it begins on a multiple of this (its EIGEN_MAX_ALIGN_BYTES). */
export const ALIGN_BYTES = 64;

function backend(): TensorFlowBackend {
  return tf.backend() as unknown as TensorFlowBackend;
}

export class ArrayTensor {
  private readonly row: tf.Tensor | null;
  private readonly first: tf.Tensor | null;

  /** Its values may be overwritten in the trial. */
  constructor(readonly values: Float32Array) {
    const mayAlias = engineInfo().name === 'tensorflow' && !engineInfo().gpu && values.length > 0 && values.byteOffset % ALIGN_BYTES === 0;
    this.row = mayAlias ? tf.tensor(values, [1, values.length]) : null;
    this.first = mayAlias ? tf.tensor1d([0], 'int32') : null;
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
    tf.dispose(backend().executeSingleOutput('InplaceUpdate', [type], [this.row!, this.first!, tensor]) as tf.Tensor);
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
    tf.dispose([this.row, this.first].filter((tensor) => tensor !== null));
  }
}
