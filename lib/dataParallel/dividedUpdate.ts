/**
 * The divided update of plain SGD: each rank updates its own part of every bucket's weights and
 * gathers the other parts. Other optimizers have state, which would have to be divided too. The
 * weights are tensors over shared memory, so a rank sees at once what another rank wrote.
 */
import * as tf from '@tensorflow/tfjs';
import {partOf, type Communicator} from '../collectives/types';
import {addScaled} from '../collectives/kernels';
import {negativeRate} from '../model/tfjsInternals';
import type {BucketPlan} from './buckets';
import {FlatParameter} from './flatParameter';

export const WEIGHTS = 'updated weights';

/** The optimizer, if its update is exactly w - η g (plain SGD); null for any other. */
export function plainSgd(optimizer: tf.Optimizer): tf.SGDOptimizer | null {
  return optimizer.constructor === tf.SGDOptimizer ? (optimizer as tf.SGDOptimizer) : null;
}

export class DividedUpdate {
  readonly weights: FlatParameter;
  /** The scalar that was last read, and its value: reading waits for the engine. */
  private rate: {scalar: tf.Scalar; value: number} | null = null;

  constructor(
    private readonly comm: Communicator,
    private readonly plan: BucketPlan,
    flat: Float32Array,
    private readonly sgd: tf.SGDOptimizer,
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

  /** -η; a callback may have replaced it since the last step. */
  private get negativeRate(): number {
    const scalar = negativeRate(this.sgd);
    if (this.rate?.scalar !== scalar) this.rate = {scalar, value: scalar.dataSync()[0]};
    return this.rate.value;
  }

  /**
   * In this rank's part of each bucket, `gradients` must hold the sum over ranks, which is 0 for a
   * frozen weight.
   */
  async update(gradients: Float32Array): Promise<void> {
    const {rank, size} = this.comm;
    const rate = this.negativeRate;
    for (const {start, end} of this.plan.buckets) {
      const weights = this.weights.flat.subarray(start, end);
      addScaled(
        partOf(weights, rank, size),
        partOf(gradients.subarray(start, end), rank, size),
        rate,
      );
      await this.comm.allGather(weights, {label: WEIGHTS});
    }
    this.weights.refresh();
  }

  dispose(): void {
    this.weights.dispose();
  }
}
