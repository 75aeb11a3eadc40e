/**
 * Batch norm over the global batch, with all-reduces inside the forward and the backward pass
 * (Ioffe and Szegedy 2015, algorithm 1 and the gradients of section 3). By default PyTorch's
 * DistributedDataParallel does not do this: there every replica normalizes by its own share.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import type {SavedForward, CommunicatingLayer} from '../step/hooks';
import type {LayerCall} from '../model/graph';
import {batchNormFields, type BatchNormFields} from '../model/tfjsLayers';

const LABEL = 'batch norm';

/** Sums each array over the ranks, in place, with one all-reduce. */
async function sumOverRanks(comm: Communicator, ...arrays: Float32Array[]): Promise<void> {
  const packed = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let offset = 0;
  for (const array of arrays) {
    packed.set(array, offset);
    offset += array.length;
  }
  await comm.allReduce(packed, {label: LABEL});
  offset = 0;
  for (const array of arrays) {
    array.set(packed.subarray(offset, offset + array.length));
    offset += array.length;
  }
}

/** Copies the values of a tensor and disposes of it. */
function read(compute: () => tf.Tensor): Float32Array {
  return tf.tidy(() => compute().dataSync() as Float32Array).slice();
}

/**
 * Mean and variance of the global batch for each channel, and the number of elements of a channel.
 */
interface Statistics {
  count: number;
  mean: Float32Array;
  variance: Float32Array;
}

/** If this rank has no samples, `x` is null: the rank adds nothing and gets the result. */
async function statistics(
  comm: Communicator,
  x: tf.Tensor | null,
  axes: number[],
  shape: number[],
  channels: number,
): Promise<Statistics> {
  const mean = x ? read(() => tf.sum(x, axes)) : new Float32Array(channels);
  const count = new Float32Array([x ? x.size / channels : 0]);
  await sumOverRanks(comm, mean, count);
  for (let i = 0; i < channels; i++) mean[i] /= count[0];
  // A difference of squares would cancel, so the deviations from the global mean are summed.
  const variance = x
    ? read(() => tf.sum(tf.square(tf.sub(x, tf.tensor(mean, shape))), axes))
    : new Float32Array(channels);
  await sumOverRanks(comm, variance);
  for (let i = 0; i < channels; i++) variance[i] /= count[0];
  return {count: count[0], mean, variance};
}

function moveAverages(layer: BatchNormFields, {mean, variance}: Statistics): void {
  const move = (weight: BatchNormFields['movingMean'], value: Float32Array) =>
    tf.tidy(() => {
      const variable = weight.read();
      const change = tf.mul(tf.sub(variable, tf.tensor1d(value)), 1 - layer.momentum);
      variable.assign(tf.sub(variable, change));
    });
  move(layer.movingMean, mean);
  move(layer.movingVariance, variance);
}

/**
 * The batch norm layers of a model. `emptyRank` makes the same collectives on a rank without
 * samples.
 */
export class GlobalBatchNorm implements CommunicatingLayer {
  constructor(private readonly comm: Communicator) {}

  static is(call: LayerCall): boolean {
    return call.layer.getClassName() === 'BatchNormalization';
  }

  async forward(call: LayerCall, [x]: tf.Tensor[]): Promise<SavedForward> {
    const layer = batchNormFields(call.layer);
    const {comm} = this;
    const axis = layer.axis >= 0 ? layer.axis : layer.axis + x.rank;
    const channels = x.shape[axis];
    const axes = x.shape.map((_, i) => i).filter((i) => i !== axis);
    const shape = x.shape.map((length, i) => (i === axis ? length : 1));
    const batch = await statistics(comm, x, axes, shape, channels);
    moveAverages(layer, batch);
    return this.normalize(layer, x, axes, shape, batch);
  }

  /** The rest of the forward pass, with the batch's statistics, and its backward pass. */
  private normalize(
    layer: BatchNormFields,
    x: tf.Tensor,
    axes: number[],
    shape: number[],
    batch: Statistics,
  ): SavedForward {
    const {comm} = this;
    const gamma = layer.gamma?.read() ?? null;
    const beta = layer.beta?.read() ?? null;
    const scale = batch.variance.map((variance) => 1 / Math.sqrt(variance + layer.epsilon));
    const [normed, output] = tf.tidy(() => {
      const normed = tf.mul(tf.sub(x, tf.tensor(batch.mean, shape)), tf.tensor(scale, shape));
      const scaled = gamma ? tf.mul(normed, tf.reshape(gamma, shape)) : tf.clone(normed);
      return [normed, beta ? tf.add(scaled, tf.reshape(beta, shape)) : scaled];
    });
    return {
      outputs: [output],
      backward: async ([outputGradient]) => {
        const dy = outputGradient ?? tf.zerosLike(normed);
        const dBeta = read(() => tf.sum(dy, axes));
        const dGamma = read(() => tf.sum(tf.mul(dy, normed), axes));
        const weights = new Map<number, tf.Tensor>();
        if (gamma) weights.set(gamma.id, tf.tensor1d(dGamma.slice()));
        if (beta) weights.set(beta.id, tf.tensor1d(dBeta.slice()));
        await sumOverRanks(comm, dBeta, dGamma);
        const dx = tf.tidy(() => {
          const meanOf = (sum: Float32Array) =>
            tf.tensor(
              sum.map((value) => value / batch.count),
              shape,
            );
          const centred = tf.sub(tf.sub(dy, meanOf(dBeta)), tf.mul(normed, meanOf(dGamma)));
          const scaled = tf.mul(centred, tf.tensor(scale, shape));
          return gamma ? tf.mul(scaled, tf.reshape(gamma, shape)) : scaled;
        });
        normed.dispose();
        if (!outputGradient) dy.dispose();
        return {inputs: [dx], weights};
      },
      discard: () => normed.dispose(),
      recompute: async ([x]) => this.normalize(layer, x, axes, shape, batch),
    };
  }

  /**
   * For a rank without samples of a micro-batch: the collectives of the batch norm layers among
   * `calls`, in the order of the other ranks.
   */
  async emptyRank(direction: 'forward' | 'backward', calls: readonly LayerCall[]): Promise<void> {
    const norms = calls.filter(GlobalBatchNorm.is).map(({layer}) => batchNormFields(layer));
    const channelsOf = ({movingMean}: BatchNormFields) => movingMean.read().size;
    if (direction === 'forward')
      for (const layer of norms)
        moveAverages(layer, await statistics(this.comm, null, [], [], channelsOf(layer)));
    else
      for (const layer of norms.reverse())
        await sumOverRanks(
          this.comm,
          new Float32Array(channelsOf(layer)),
          new Float32Array(channelsOf(layer)),
        );
  }
}
