/**
 * Batch norm over the global batch, in two halves around an all-reduce each way (Ioffe
 * and Szegedy 2015, algorithm 1 and the gradients of section 3). PyTorch's DistributedDataParallel
 * does not do this by default: there every replica normalizes by its own share.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import type {SavedForward, CommunicatingLayer} from '../step/hooks';
import type {LayerCall} from '../model/graph';
import {batchNormFields, type BatchNormFields} from '../model/tfjsLayers';

const LABEL = 'batch norm';

/** Sums `values` and a count over the ranks, in place. */
async function total(comm: Communicator, ...values: Float32Array[]): Promise<void> {
  const all = new Float32Array(values.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of values) {
    all.set(part, at);
    at += part.length;
  }
  await comm.allReduce(all, {label: LABEL});
  at = 0;
  for (const part of values) {
    part.set(all.subarray(at, at + part.length));
    at += part.length;
  }
}

function read(compute: () => tf.Tensor): Float32Array {
  return tf.tidy(() => compute().dataSync() as Float32Array).slice();
}

/**
 * Mean and variance of the global batch, a number a channel, and how many elements each is made of.
 */
interface Statistics {
  count: number;
  mean: Float32Array;
  variance: Float32Array;
}

/** `x` is null where this rank has no samples: it adds nothing, and learns the others' result. */
async function statistics(
  comm: Communicator,
  x: tf.Tensor | null,
  axes: number[],
  shape: number[],
  channels: number,
): Promise<Statistics> {
  const mean = x ? read(() => tf.sum(x, axes)) : new Float32Array(channels);
  const count = new Float32Array([x ? x.size / channels : 0]);
  await total(comm, mean, count);
  for (let i = 0; i < channels; i++) mean[i] /= count[0];
  // Around the global mean, not as a difference of squares, which would cancel.
  const variance = x
    ? read(() => tf.sum(tf.square(tf.sub(x, tf.tensor(mean, shape))), axes))
    : new Float32Array(channels);
  await total(comm, variance);
  for (let i = 0; i < channels; i++) variance[i] /= count[0];
  return {count: count[0], mean, variance};
}

function moveAverages(layer: BatchNormFields, {mean, variance}: Statistics): void {
  const move = (weight: BatchNormFields['movingMean'], value: Float32Array) =>
    tf.tidy(() => {
      const before = weight.read();
      before.assign(tf.sub(before, tf.mul(tf.sub(before, tf.tensor1d(value)), 1 - layer.momentum)));
    });
  move(layer.movingMean, mean);
  move(layer.movingVariance, variance);
}

/**
 * The halves of every batch norm layer of a model; `absent` takes a rank without samples through
 * the same collectives.
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
    const found = await statistics(comm, x, axes, shape, channels);
    moveAverages(layer, found);
    return this.normalize(layer, x, axes, shape, found);
  }

  /** The forward once the batch's statistics are known; its backward. */
  private normalize(
    layer: BatchNormFields,
    x: tf.Tensor,
    axes: number[],
    shape: number[],
    found: Statistics,
  ): SavedForward {
    const {comm} = this;
    const gamma = layer.gamma?.read() ?? null;
    const beta = layer.beta?.read() ?? null;
    const scale = found.variance.map((variance) => 1 / Math.sqrt(variance + layer.epsilon));
    const [normed, output] = tf.tidy(() => {
      const normed = tf.mul(tf.sub(x, tf.tensor(found.mean, shape)), tf.tensor(scale, shape));
      const scaled = gamma ? tf.mul(normed, tf.reshape(gamma, shape)) : tf.clone(normed);
      return [normed, beta ? tf.add(scaled, tf.reshape(beta, shape)) : scaled];
    });
    return {
      outputs: [output],
      backward: async ([given]) => {
        const dy = given ?? tf.zerosLike(normed);
        const dBeta = read(() => tf.sum(dy, axes));
        const dGamma = read(() => tf.sum(tf.mul(dy, normed), axes));
        const weights = new Map<number, tf.Tensor>();
        if (gamma) weights.set(gamma.id, tf.tensor1d(dGamma.slice()));
        if (beta) weights.set(beta.id, tf.tensor1d(dBeta.slice()));
        await total(comm, dBeta, dGamma);
        const dx = tf.tidy(() => {
          const meanOf = (sum: Float32Array) =>
            tf.tensor(
              sum.map((value) => value / found.count),
              shape,
            );
          const centred = tf.sub(tf.sub(dy, meanOf(dBeta)), tf.mul(normed, meanOf(dGamma)));
          const scaled = tf.mul(centred, tf.tensor(scale, shape));
          return gamma ? tf.mul(scaled, tf.reshape(gamma, shape)) : scaled;
        });
        normed.dispose();
        if (!given) dy.dispose();
        return {inputs: [dx], weights};
      },
      discard: () => normed.dispose(),
      recompute: async ([x]) => this.normalize(layer, x, axes, shape, found),
    };
  }

  /**
   * A rank without samples of a micro-batch: the batch norm layers among `calls` as the others walk
   * them.
   */
  async absent(direction: 'forward' | 'backward', calls: readonly LayerCall[]): Promise<void> {
    const norms = calls.filter(GlobalBatchNorm.is).map(({layer}) => batchNormFields(layer));
    const channelsOf = ({movingMean}: BatchNormFields) => movingMean.read().size;
    if (direction === 'forward')
      for (const layer of norms)
        moveAverages(layer, await statistics(this.comm, null, [], [], channelsOf(layer)));
    else
      for (const layer of norms.reverse())
        await total(
          this.comm,
          new Float32Array(channelsOf(layer)),
          new Float32Array(channelsOf(layer)),
        );
  }
}
