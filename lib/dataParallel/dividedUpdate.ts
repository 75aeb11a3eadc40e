/**
 * The divided update of plain SGD: each rank updates its own part of every bucket's
 * weights and hands the result to the others. Only an optimizer without state allows it without
 * dividing state too. The weights are tensors over shared memory, so what another rank wrote is
 * there at once.
 */
import * as tf from '@tensorflow/tfjs';
import {partOf, type Communicator} from '../collectives/types';
import {addScaled} from '../collectives/kernels';
import {withLearningRate} from '../model/tfjsInternals';
import type {BucketPlan} from './buckets';
import {FlatParameter} from './flatParameter';

export const WEIGHTS = 'updated weights';

interface Sgd {
  learningRate: number;
}

/** w - η g of plain SGD, where this optimizer is that and nothing more; null for any other. */
export function plainSgd(optimizer: tf.Optimizer): Sgd | null {
  return optimizer.constructor === tf.SGDOptimizer ? withLearningRate(optimizer) : null;
}

export class DividedUpdate {
  private readonly weights: FlatParameter;

  constructor(
    private readonly comm: Communicator,
    private readonly plan: BucketPlan,
    flat: Float32Array,
    private readonly sgd: Sgd,
  ) {
    this.weights = new FlatParameter(
      plan.buckets.flatMap(({places}) => places),
      flat,
    );
  }

  /**
   * Whether the engine sees most of the weights where they lie: otherwise an update by its own
   * operations is quicker.
   */
  get worthwhile(): boolean {
    return this.weights.copiedElements * 2 < this.plan.length;
  }

  /** `gradients`: summed over ranks in this rank's part of each bucket. */
  async update(gradients: Float32Array): Promise<void> {
    const {rank, size} = this.comm;
    for (const {start, end} of this.plan.buckets) {
      const weights = this.weights.flat.subarray(start, end);
      addScaled(
        partOf(weights, rank, size),
        partOf(gradients.subarray(start, end), rank, size),
        -this.sgd.learningRate,
      );
      await this.comm.allGather(weights, {label: WEIGHTS});
    }
    this.weights.refresh();
  }

  dispose(): void {
    this.weights.dispose();
  }
}
