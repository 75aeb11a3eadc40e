/**
 * Worker side. The divided update of plain SGD: each rank updates its own part of every bucket's weights and hands the result to the
 * others. Only an optimizer without state allows it without dividing state too. The weights are tensors over shared memory, so
 * what another rank wrote is there at once.
 */
import * as tf from '@tensorflow/tfjs';
import {partOf, type Communicator} from '../collectives/types';
import {addScaled} from '../collectives/kernels';
import {ArrayTensor} from '../devices/arrayTensor';
import {holdArray} from '../memory';
import type {BucketPlan, Place} from './buckets';

export const WEIGHTS = 'updated weights';

interface Sgd {
  learningRate: number;
}

/** w - η g of plain SGD, where this optimizer is that and nothing more; null for any other. */
export function plainSgd(optimizer: tf.Optimizer): Sgd | null {
  return optimizer.constructor === tf.SGDOptimizer ? (optimizer as unknown as Sgd) : null;
}

export class DividedUpdate {
  private readonly views: ArrayTensor[] = [];
  /** Weights that the engine keeps to itself (odd lengths, mostly): they are taken anew from the flat array after each update. */
  private readonly copied: Place[] = [];
  private readonly release: () => void;

  constructor(private readonly comm: Communicator, private readonly plan: BucketPlan, private readonly flat: Float32Array, private readonly sgd: Sgd) {
    this.release = holdArray(flat, 'parameters');
    for (const {places} of plan.buckets) for (const place of places) this.adopt(place);
  }

  /** The weight moves into the flat array. */
  private adopt(place: Place): void {
    const {entry: {variable}, start, length} = place;
    const before = variable.dataSync().slice() as Float32Array;
    const view = new ArrayTensor(this.flat.subarray(start, start + length));
    this.views.push(view);
    view.values.set(before);
    if (!view.shared) {
      this.copied.push(place);
      return;
    }
    const tensor = view.tensor(variable.shape);
    variable.assign(tensor);
    tensor.dispose();
  }

  /** Whether the engine sees most of the weights where they lie: otherwise an update by its own operations is quicker. */
  get worthwhile(): boolean {
    const copied = this.copied.reduce((sum, {length}) => sum + length, 0);
    return copied * 2 < this.plan.length;
  }

  /** `gradients`: summed over ranks in this rank's part of each bucket. */
  async update(gradients: Float32Array): Promise<void> {
    const {rank, size} = this.comm;
    for (const {start, end} of this.plan.buckets) {
      const weights = this.flat.subarray(start, end);
      addScaled(partOf(weights, rank, size), partOf(gradients.subarray(start, end), rank, size), -this.sgd.learningRate);
      await this.comm.allGather(weights, {label: WEIGHTS});
    }
    for (const {entry: {variable}, start, length} of this.copied) {
      const fresh = tf.tensor(this.flat.slice(start, start + length), variable.shape);
      variable.assign(fresh);
      fresh.dispose();
    }
  }

  dispose(): void {
    for (const view of this.views) view.dispose();
    this.release();
  }
}
