/**
 * The divided update of plain SGD: each rank updates its own part of every bucket's weights and
 * gathers the other parts. Other optimizers have state, which would have to be divided too. The
 * weights are tensors over shared memory, so a rank sees at once what another rank wrote.
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

/** The optimizer, if its update is exactly w - η g (plain SGD); null for any other. */
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
      plan.buckets.flatMap(({slices}) => slices),
      flat,
    );
  }

  /**
   * Whether the engine uses most of the weights without a copy; otherwise the optimizer's own
   * update is faster.
   */
  get worthwhile(): boolean {
    return this.weights.copiedElements * 2 < this.plan.length;
  }

  /** In this rank's part of each bucket, `gradients` must hold the sum over ranks. */
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
